using DmEra.Control;
using DmEra.Devices;
using DmEra.Nbd;
using DmEra.Nbd.Client;
using DmEra.Target.Mapping;

namespace DmEra.Cli.Serving;

/// <summary>One device in service, from its files to the last commit. Nothing of it is left behind when it cannot
/// start.</summary>
internal sealed class ServeSession(ServeRequest request, TextWriter output, TextWriter error) : INbdLog
{
    /// <summary>Serves the device until it is stopped.</summary>
    /// <returns>An <see cref="ExitCode"/>.</returns>
    public async Task<int> RunAsync()
    {
        using StopSignals signals = new(error);
        request.Runtime?.Create();
        using NewFiles files = new();
        using NbdBlockDevice? remote = RemoteOrigin.Parse(request.Origin) is { } uri ? RemoteOrigin.Connect(uri, request.IsReadOnly, Log) : null;
        EraTable table = request.Prepare(files, remote);
        // What clients may do is all that is asked of the origin.
        using FileBlockDevice? unwritten = remote is null && request.IsReadOnly ? OpenUnwritten(table) : null;
        EraTargetOptions options = new() { Log = Log, MarkAhead = request.MarkAhead };
        IBlockDevice? origin = remote is null ? unwritten : remote;
        using EraTarget target = origin is null ? EraTarget.Create(table, options) : EraTarget.Create(table, origin, options);
        using FileBlockDevice? file = remote is null ? FileBlockDevice.OpenShared(table.OriginPath) : null;
        if (!string.Equals(file?.Identity, target.OriginIdentity, StringComparison.Ordinal))
            throw new CommandException($"{table.OriginPath}: is being replaced just now; try again");
        IBlockStatusCatalog allocation = file is null ? remote!.Contexts : new BlockStatusCatalog(new AllocationContext(file));
        DeviceLabels labels = new(target, Log);
        EraContexts eras = new(target, labels);
        BitmapViews views = new(eras, allocation);
        IBlockStatusCatalog contexts = request.Bitmap is { } shown ? views.Always(shown) : new BlockStatusCatalog([], [allocation, eras]);
        NbdExport export = new(request.Name, target.Device, contexts)
        {
            Views = views.Find,
            IsReadOnly = request.IsReadOnly,
            MinimumBlock = remote?.MinimumBlock ?? 1,
        };
        using NbdServer server = new([export], request.Server with { Log = this });
        using UnixListener control = new(request.ControlSocket);
        string[] uris = [.. request.Listen.Select(address => Listen(server, address))];
        target.Resume();
        if (request.Bitmap is { } era && views.Find(era) is null)
            throw new CommandException($"{request.Name} has no era or label '{era}'; see 'era labels' and 'era status'");
        files.Keep();

        ServedDevice device = new(request.Name, target, server, uris, control, labels);
        await using ControlServer controlServer = await ControlServer.StartAsync(device, control, Log);
        Announce(Readers(request.Listen, output, error), uris);
        ServiceNotification.Send(ServiceNotification.Ready, Log);
        bool isSignalled = await Task.WhenAny(device.Stopped, signals.Requested) == signals.Requested;
        ServiceNotification.Send(ServiceNotification.Stopping, Log);
        if (isSignalled) device.Stop();
        if (await device.Stopped is not string fault) return ExitCode.Done;
        throw new CommandException($"{request.Name}: stopped, but {fault}");
    }

    /// <summary>Whom to tell that it is ready: of a program that is started with its sockets, the standard output belongs to
    /// whoever started it, perhaps as part of a pipe.</summary>
    public static TextWriter Readers(IEnumerable<ListenAddress> listen, TextWriter output, TextWriter error) =>
        listen.Any(address => address.Socket is not null) ? error : output;

    /// <summary>Tells where clients find what is served, and that it is.</summary>
    public static void Announce(TextWriter output, IReadOnlyList<string> uris)
    {
        foreach (string uri in uris) output.WriteLine(uri);
        output.WriteLine($"try it: nbdinfo '{uris[0]}'");
        output.WriteLine("ready");
        output.Flush();
    }

    void INbdLog.Note(string message)
    {
        // Clients that come and go are nobody's concern.
    }

    void INbdLog.Fault(string message, Exception cause) => Log($"{message}: {cause.Message}");

    private static FileBlockDevice OpenUnwritten(EraTable table) =>
        FileStatus.TryOf(table.MetadataPath) is { } metadata && metadata.Identity == FileStatus.TryOf(table.OriginPath)?.Identity
            ? throw new CommandException($"{table.OriginPath}: is the metadata device as well; give the metadata a file of its own")
            : FileBlockDevice.OpenReadOnly(table.OriginPath);

    private string Listen(NbdServer server, ListenAddress address) =>
        address.Uri(request.Name, address.Open(server), request.Server.Tls is { Mode: NbdTlsMode.Require });

    private void Log(string line) => error.WriteLine($"era: {line.ReplaceLineEndings(" ")}");
}
