using System.Net;
using System.Net.Sockets;

namespace DmEra.Nbd;

/// <summary>A listening socket and the thread that accepts from it.</summary>
internal sealed class NbdListener : IDisposable
{
    // What to do when descriptors or memory run out: connections that end give some back.
    private static readonly TimeSpan PauseAfterFault = TimeSpan.FromMilliseconds(100);

    private readonly Socket _socket;
    private readonly Action<Socket> _accepted;
    private readonly INbdLog _log;
    private readonly Thread _thread;
    private readonly CancellationTokenSource _stopping = new();

    public NbdListener(Socket socket, Action<Socket> accepted, INbdLog log)
    {
        _socket = socket;
        _accepted = accepted;
        _log = log;
        EndPoint = socket.LocalEndPoint!;
        _thread = new Thread(Accept) { IsBackground = true, Name = "nbd-accept" };
        _thread.Start();
    }

    /// <summary>Where clients find it.</summary>
    public EndPoint EndPoint { get; }

    /// <summary>Lets nobody in any more, and disposes of the socket.</summary>
    public void Dispose()
    {
        _stopping.Cancel();
        _thread.Join();
        _socket.Dispose();
        _stopping.Dispose();
    }

    private void Accept()
    {
        while (TryAccept())
        {
        }
    }

    private bool TryAccept()
    {
        try
        {
            // Closing the socket would not wake a blocking accept where the service manager has the socket open as well.
            // What is accepted is blocking all the same.
            _accepted(_socket.AcceptAsync(_stopping.Token).AsTask().GetAwaiter().GetResult());
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        catch (SocketException cause)
        {
            _log.Fault($"{EndPoint}: cannot accept a connection", cause);
            return !_stopping.Token.WaitHandle.WaitOne(PauseAfterFault);
        }
    }
}
