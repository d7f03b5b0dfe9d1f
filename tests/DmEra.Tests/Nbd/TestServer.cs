using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using DmEra.Devices;
using DmEra.Nbd;

namespace DmEra.Tests.Nbd;

/// <summary>A server on a Unix socket of its own, which remembers what it reported.</summary>
internal sealed class TestServer : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly NbdServer _server;

    public TestServer(params NbdExport[] exports)
        : this(new NbdServerOptions(), exports)
    {
    }

    public TestServer(NbdServerOptions options, params NbdExport[] exports)
    {
        _server = new NbdServer(exports, options with { Log = Log });
        SocketPath = _folder["nbd.sock"];
        EndPoint = _server.Listen(new UnixDomainSocketEndPoint(SocketPath));
    }

    public TestServer(IBlockDevice device)
        : this(new NbdExport("", device, new BlockStatusCatalog()))
    {
    }

    public RecordingLog Log { get; } = new();

    public NbdServer Server => _server;

    public EndPoint EndPoint { get; }

    public string SocketPath { get; }

    /// <summary>For clients that take one.</summary>
    public string Uri => $"nbd+unix:///?socket={SocketPath}";

    /// <summary>Waits until as many clients are connected.</summary>
    public void AwaitConnections(int count) => Wait.Until(() => _server.ConnectionCount == count);

    public void Dispose()
    {
        _server.Dispose();
        _folder.Dispose();
    }
}

/// <summary>Keeps what a server reports.</summary>
internal sealed class RecordingLog : INbdLog
{
    public ConcurrentQueue<string> Notes { get; } = new();

    public ConcurrentQueue<string> Faults { get; } = new();

    public void Note(string message) => Notes.Enqueue(message);

    public void Fault(string message, Exception cause) => Faults.Enqueue(message);
}

/// <summary>Waits for something that another thread does.</summary>
internal static class Wait
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static void Until(Func<bool> condition) =>
        Assert.True(SpinWait.SpinUntil(condition, Patience), "it did not come to pass in time");

    public static void For(ManualResetEventSlim signal) => Assert.True(signal.Wait(Patience), "no signal in time");
}
