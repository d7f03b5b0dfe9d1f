using System.Globalization;
using System.Net.Sockets;

namespace DmEra.Nbd;

/// <summary>Sockets that a service manager opened for this process before starting it (sd_listen_fds(3)).</summary>
public static class SocketActivation
{
    private const int FirstDescriptor = 3;

    /// <summary>Takes the sockets over; none when the process was not started so. To be called once.</summary>
    /// <exception cref="IOException">What was passed are no listening sockets.</exception>
    public static IReadOnlyList<Socket> TakeSockets()
    {
        IReadOnlyList<Socket> sockets =
            TakeSockets(Environment.GetEnvironmentVariable, Environment.ProcessId, FirstDescriptor);

        // They are not meant for programs that this one starts.
        Environment.SetEnvironmentVariable("LISTEN_PID", null);
        Environment.SetEnvironmentVariable("LISTEN_FDS", null);
        return sockets;
    }

    internal static IReadOnlyList<Socket> TakeSockets(
        Func<string, string?> variable, int processId, int firstDescriptor)
    {
        if (!TryParse(variable("LISTEN_PID"), out int meant) || meant != processId) return [];
        return TryParse(variable("LISTEN_FDS"), out int count)
            ? [.. Enumerable.Range(firstDescriptor, count).Select(Take)]
            : throw new IOException("LISTEN_FDS is not a number");
    }

    private static bool TryParse(string? text, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    private static Socket Take(int descriptor)
    {
        SafeSocketHandle handle = new(descriptor, ownsHandle: true);
        try
        {
            Socket socket = new(handle);
            if (socket is { SocketType: SocketType.Stream, Connected: false, LocalEndPoint: not null }) return socket;
        }
        catch (SocketException)
        {
            // Not a socket at all.
        }

        // Left to the collector it would be closed when the number may be another's.
        handle.Dispose();
        throw new IOException($"descriptor {descriptor}, passed by LISTEN_FDS, is not a listening socket");
    }
}
