using System.Net;
using DmEra.Control;
using DmEra.Devices;
using DmEra.Nbd;
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
        EraTable table = request.Prepare(files);
        using EraTarget target = EraTarget.Create(table, new EraTargetOptions { Log = Log });
        using FileBlockDevice origin = FileBlockDevice.OpenShared(table.OriginPath);
        BlockStatusCatalog contexts = new([new AllocationContext(origin)], [new EraContexts(target)]);
        NbdExport export = new(request.Name, target.Device, contexts);
        using NbdServer server = new([export], new NbdServerOptions { Log = this });
        using UnixListener control = new(request.ControlSocket);
        string[] uris = [.. request.Listen.Select(address => Listen(server, address))];
        target.Resume();
        files.Keep();

        ServedDevice device = new(request.Name, target, server, uris, control);
        await using ControlServer controlServer = await ControlServer.StartAsync(device, control, Log);
        Announce(uris);
        if (await Task.WhenAny(device.Stopped, signals.Requested) == signals.Requested) device.Stop();
        if (await device.Stopped is not string fault) return ExitCode.Done;
        throw new CommandException($"{request.Name}: stopped, but the metadata had failed: {fault}");
    }

    void INbdLog.Note(string message)
    {
        // Clients that come and go are nobody's concern.
    }

    void INbdLog.Fault(string message, Exception cause) => Log($"{message}: {cause.Message}");

    private string Listen(NbdServer server, ListenAddress address)
    {
        EndPoint bound = server.Listen(address.EndPoint);
        return address.Uri(request.Name, bound);
    }

    private void Announce(string[] uris)
    {
        foreach (string uri in uris) output.WriteLine(uri);
        output.WriteLine($"try it: nbdinfo '{uris[0]}'");
        output.WriteLine("ready");
        output.Flush();
    }

    private void Log(string line) => error.WriteLine($"era: {line.ReplaceLineEndings(" ")}");
}
