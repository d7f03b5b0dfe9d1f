using System.Net.Sockets;
using DmEra.Nbd;

namespace DmEra.Serving.Sockets;

/// <summary>A Unix socket that listens under a path.</summary>
public sealed class UnixListener : IDisposable
{
    private const int Backlog = 16;

    /// <summary>Listens.</summary>
    /// <exception cref="IOException">As for <see cref="ListeningSocket.Open"/>.</exception>
    public UnixListener(string path)
    {
        Path = path;
        Socket = ListeningSocket.Open(new UnixDomainSocketEndPoint(path), Backlog);
    }

    /// <summary>The path.</summary>
    public string Path { get; }

    /// <summary>The listening socket; connections wait in it until somebody accepts them.</summary>
    public Socket Socket { get; }

    /// <summary>Stops listening and frees the path; connections go on. Once only: the path may be a successor's
    /// by then.</summary>
    public void Dispose() => Socket.Dispose();
}
