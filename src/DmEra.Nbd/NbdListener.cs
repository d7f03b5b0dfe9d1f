using System.Net;
using System.Net.Sockets;

namespace DmEra.Nbd;

/// <summary>A listening socket and the thread that accepts from it.</summary>
internal sealed class NbdListener
{
    // What to do when descriptors or memory run out: connections that end give some back.
    private static readonly TimeSpan PauseAfterFault = TimeSpan.FromMilliseconds(100);

    private readonly Socket _socket;
    private readonly string? _path;
    private readonly Action<Socket> _accepted;
    private readonly INbdLog _log;
    private readonly Thread _thread;
    private readonly object _gate = new();  // guards _isStopping; pulsed when it is set
    private bool _isStopping;

    public NbdListener(Socket socket, string? path, Action<Socket> accepted, INbdLog log)
    {
        _socket = socket;
        _path = path;
        _accepted = accepted;
        _log = log;
        EndPoint = socket.LocalEndPoint!;
        _thread = new Thread(Accept) { IsBackground = true, Name = "nbd-accept" };
        _thread.Start();
    }

    /// <summary>Where clients find it.</summary>
    public EndPoint EndPoint { get; }

    public void Stop()
    {
        lock (_gate)
        {
            _isStopping = true;
            Monitor.Pulse(_gate);
        }

        _socket.Dispose();  // a blocked accept throws
        _thread.Join();
        if (_path is not null) File.Delete(_path);
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
            _accepted(_socket.Accept());
            return true;
        }
        catch (Exception cause) when (cause is SocketException or ObjectDisposedException)
        {
            lock (_gate)
            {
                if (_isStopping) return false;
                _log.Fault($"{EndPoint}: cannot accept a connection", cause);
                Monitor.Wait(_gate, PauseAfterFault);
                return !_isStopping;
            }
        }
    }
}
