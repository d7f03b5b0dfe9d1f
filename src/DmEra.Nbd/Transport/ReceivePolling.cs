using System.Diagnostics;
using System.Net.Sockets;

namespace DmEra.Nbd.Transport;

/// <summary>
/// Looks for the next bytes of a client for a while before its thread goes to sleep: being woken takes longer than
/// serving a small request, and a client with one request at a time is back before that. How long adapts, as
/// hypervisors do with processors that halt: a client that is usually back in time is waited for, one that is not
/// costs nothing.
/// </summary>
internal sealed class ReceivePolling
{
    private static readonly long Longest = Stopwatch.Frequency / 20_000;     // 50 µs
    private static readonly long Shortest = Longest / 16;

    // One processor is left to whoever is to send those bytes.
    private static readonly int MostThreads = Environment.ProcessorCount - 1;
    private static int _threads;

    private long _time = Longest;

    /// <summary>Receives, and learns how long that took.</summary>
    public int Receive(Socket socket, Span<byte> buffer)
    {
        long start = Stopwatch.GetTimestamp();
        if (_time > 0) Poll(socket, start + _time);
        int count = socket.Receive(buffer);
        if (Stopwatch.GetTimestamp() - start <= Longest) _time = Longest;
        else _time = _time > Shortest ? _time / 2 : 0;
        return count;
    }

    private static void Poll(Socket socket, long end)
    {
        try
        {
            if (Interlocked.Increment(ref _threads) > MostThreads) return;
            while (socket.Available == 0 && Stopwatch.GetTimestamp() < end) Thread.SpinWait(20);
        }
        finally
        {
            Interlocked.Decrement(ref _threads);
        }
    }
}
