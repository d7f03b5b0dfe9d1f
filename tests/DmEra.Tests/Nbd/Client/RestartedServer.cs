using System.Net.Sockets;
using DmEra.Devices;
using DmEra.Nbd;
using DmEra.Nbd.Client;

namespace DmEra.Tests.Nbd.Client;

/// <summary>A server that goes away, and comes back on the same socket with or without what it had not made stable.</summary>
internal sealed class RestartedServer : IDisposable
{
    public const int Size = 1 << 20;
    public static readonly byte[] Blank = new byte[4096];
    public static readonly byte[] First = [.. Enumerable.Repeat((byte)1, 4096)];
    public static readonly byte[] Second = [.. Enumerable.Repeat((byte)2, 4096)];

    private readonly TempFolder _folder = new();
    private readonly List<string> _log = [];
    private NbdServer? _server;

    /// <summary>What it serves at first.</summary>
    public HookedDevice Before { get; } = new(Size);

    /// <summary>What it comes back with, when it has lost what was not stable.</summary>
    public HookedDevice After { get; } = new(Size);

    /// <summary>What its client had to tell.</summary>
    public IReadOnlyList<string> Log => _log;

    public int LogCount
    {
        get
        {
            lock (_log) return _log.Count;
        }
    }

    public NbdUri Uri => NbdUri.Parse($"nbd+unix:///?socket={_folder["nbd.sock"]}");

    public void Dispose()
    {
        _server?.Dispose();
        Before.Dispose();
        After.Dispose();
        _folder.Dispose();
    }

    public void Serve(HookedDevice device)
    {
        // Does nothing to clients that are connected but to end their connections, as a crash would.
        _server = new NbdServer(
            [new NbdExport("", device, new BlockStatusCatalog())], new NbdServerOptions { DrainTimeout = TimeSpan.FromMilliseconds(100) });
        _server.Listen(new UnixDomainSocketEndPoint(_folder["nbd.sock"]));
    }

    public void StopServing()
    {
        _server!.Dispose();
        _server = null;
    }

    public NbdBlockDevice Open(NbdClientOptions? options = null) => NbdBlockDevice.Open(
        Uri, (options ?? new NbdClientOptions()) with { Log = Note });

    public static byte[] Read(NbdBlockDevice client, long offset)
    {
        byte[] data = new byte[4096];
        client.Read(offset, data);
        return data;
    }

    public static byte[] Content(HookedDevice device, long offset)
    {
        byte[] data = new byte[4096];
        device.Content.Read(offset, data);
        return data;
    }

    private void Note(string line)
    {
        lock (_log) _log.Add(line);
    }
}
