using DmEra.Backup.Images;
using DmEra.Backup.Reading;
using DmEra.Cli.Serving;
using DmEra.Devices;
using DmEra.Nbd;
using DmEra.Serving.FrontEnds;
using DmEra.Serving.Sockets;

namespace DmEra.Cli.Backups;

/// <summary>A point in time that is served read-only, until a signal comes.</summary>
/// <param name="repository">Where it is; it stays the caller's.</param>
/// <param name="image">The image.</param>
/// <param name="name">Name of the export.</param>
/// <param name="listen">Where to listen for clients.</param>
/// <param name="runtime">The folder of a socket that has its default path; null when none has.</param>
/// <param name="options">Of the server.</param>
internal sealed class ImageSession(
    Repository repository,
    ImageManifest image,
    string name,
    IReadOnlyList<ListenAddress> listen,
    RuntimeFolder? runtime,
    NbdServerOptions options)
{
    private TextWriter _error = TextWriter.Null;

    /// <summary>Serves it.</summary>
    /// <returns>An <see cref="ExitCode"/>.</returns>
    public async Task<int> RunAsync(TextWriter output, TextWriter error)
    {
        _error = error;
        using StopSignals signals = new(error);
        runtime?.Create();
        // Said below the addresses: those are what others read the first lines for.
        List<string> remarks = [];
        repository.Remark = remarks.Add;
        using ImageDevice device = ImageDevice.Open(repository, image, "era serve");
        NbdExport export = new(name, device, new BlockStatusCatalog(device)) { IsReadOnly = true };
        using NbdServer server = new([export], options with { Log = new NbdLog(Log) });
        bool requiresTls = options.Tls is { Mode: NbdTlsMode.Require };
        NbdEntrance entrance = new(server, listen);
        entrance.Bind();
        entrance.Open();
        ServeSession.Announce(ServeSession.Readers(listen, output, error), entrance.UrisOf(name, requiresTls));
        remarks.ForEach(Log);
        ServiceNotification.Send(ServiceNotification.Ready, Log);
        await signals.Requested;
        ServiceNotification.Send(ServiceNotification.Stopping, Log);
        entrance.Close();
        return ExitCode.Done;
    }

    private void Log(string line) => _error.WriteLine($"era: {line.ReplaceLineEndings(" ")}");
}
