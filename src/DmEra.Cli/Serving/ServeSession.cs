using DmEra.Control;
using DmEra.Nbd;
using DmEra.Serving.Hosting;
using DmEra.Serving.Sockets;

namespace DmEra.Cli.Serving;

/// <summary>One device in service, from its files to the last commit. Nothing of it is left behind when it cannot
/// start.</summary>
/// <param name="settings">The device.</param>
/// <param name="nbd">Which NBD clients are let in, and how.</param>
/// <param name="controlSocket">Path of the control socket.</param>
/// <param name="runtime">The folder of sockets that have their default paths; null when none has.</param>
/// <param name="output">Where it says that it is ready.</param>
/// <param name="error">Where faults are told.</param>
internal sealed class ServeSession(
    DeviceSettings settings, NbdServerOptions nbd, string controlSocket, RuntimeFolder? runtime, TextWriter output, TextWriter error)
{
    /// <summary>Serves the device until it is stopped.</summary>
    /// <returns>An <see cref="ExitCode"/>.</returns>
    public async Task<int> RunAsync()
    {
        using StopSignals signals = new(error);
        runtime?.Create();
        using UnixListener control = new(controlSocket);
        using DeviceHost host = new(new HostSettings { Nbd = nbd, IsForOne = true }, control, Log);
        ServedDevice device = host.Attach(settings);
        await using ControlServer controlServer = await ControlServer.StartAsync(host, control, Log);
        Announce(Readers(settings.Listen, output, error), device.Describe().Endpoints);
        ServiceNotification.Send(ServiceNotification.Ready, Log);
        bool isSignalled = await Task.WhenAny(host.Stopped, signals.Requested) == signals.Requested;
        ServiceNotification.Send(ServiceNotification.Stopping, Log);
        if (isSignalled) host.Stop();
        if (await host.Stopped is not string fault) return ExitCode.Done;
        throw new CommandException($"{settings.Name}: stopped, but {fault}");
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

    private void Log(string line) => error.WriteLine($"era: {line.ReplaceLineEndings(" ")}");
}
