using DmEra.Control;
using DmEra.Nbd;
using DmEra.Serving.Configuration;
using DmEra.Serving.Hosting;
using DmEra.Serving.Sockets;

namespace DmEra.Cli.Serving;

/// <summary>The devices of a configuration in service.</summary>
/// <param name="config">The configuration: a file or folder.</param>
/// <param name="controlSocket">Path of the control socket; null: what the configuration says, or the default.</param>
/// <param name="runtime">Where sockets are by default.</param>
/// <param name="output">Where it says that it is ready.</param>
/// <param name="error">Where faults are told.</param>
internal sealed class DaemonSession(string config, string? controlSocket, RuntimeFolder runtime, TextWriter output, TextWriter error)
{
    /// <summary>Name of the sockets of a process that serves many devices, where nobody has chosen others.</summary>
    public const string SocketName = "era";

    /// <summary>Tells all that is wrong with the configuration.</summary>
    /// <returns>An <see cref="ExitCode"/>.</returns>
    public int Check() => TryRead() is null ? ExitCode.Failed : ExitCode.Done;

    /// <summary>Serves the devices until it is stopped.</summary>
    /// <returns>An <see cref="ExitCode"/>.</returns>
    public async Task<int> RunAsync()
    {
        if (TryRead() is not { } configuration) return ExitCode.Failed;
        IReadOnlyList<ListenAddress> passed = [.. SocketActivation.TakeSockets().Select(ListenAddress.Passed)];
        IReadOnlyList<ListenAddress> listen = [.. passed, .. configuration.Listen];
        string? controlPath = controlSocket ?? configuration.Control;
        if (listen.Count == 0 || controlPath is null) runtime.Create();
        if (listen.Count == 0) listen = [ListenAddress.Unix(runtime.NbdSocket(SocketName))];
        using StopSignals signals = new(error, isEndedByHangUp: false);
        using UnixListener control = new(Path.GetFullPath(controlPath ?? runtime.ControlSocket(SocketName)));
        using DeviceHost host = new(new HostSettings { Nbd = configuration.Nbd, Listen = listen }, control, Log);
        ConfiguredHost configured = new(config, configuration, host, Log);
        using HangUpSignal hangUp = new(() => ReloadOnSignal(configured));
        await using ControlServer controlServer = await ControlServer.StartAsync(host, control, Log, () => Reload(configured));
        foreach (string refusal in configured.Load().Refused) Log(refusal);
        host.Open();
        Announce(passed.Count > 0 ? error : output, host);
        ServiceNotification.Send(ServiceNotification.Ready, Log);
        bool isSignalled = await Task.WhenAny(host.Stopped, signals.Requested) == signals.Requested;
        ServiceNotification.Send(ServiceNotification.Stopping, Log);
        if (isSignalled) host.Stop();
        if (await host.Stopped is not string fault) return ExitCode.Done;
        throw new CommandException($"stopped, but {fault}");
    }

    private static void Announce(TextWriter output, DeviceHost host)
    {
        foreach (string uri in host.Devices.SelectMany(device => device.Describe().Endpoints)) output.WriteLine(uri);
        output.WriteLine("ready");
        output.Flush();
    }

    private HostConfiguration? TryRead()
    {
        try { return HostConfiguration.Read(config); }
        catch (ConfigurationException fault)
        {
            foreach (string line in fault.Errors) Log(line);
            return null;
        }
    }

    private LoadReport Reload(ConfiguredHost configured)
    {
        ServiceNotification.Send(ServiceNotification.Reloading(), Log);
        try { return configured.Reload(); }
        finally { ServiceNotification.Send(ServiceNotification.Ready, Log); }
    }

    private void ReloadOnSignal(ConfiguredHost configured)
    {
        try
        {
            foreach (string refusal in Reload(configured).Refused) Log(refusal);
        }
        catch (ConfigurationException fault)
        {
            foreach (string line in fault.Errors) Log(line);
            Log("nothing was changed");
        }
        catch (Exception fault)
        {
            // Nobody waits for this but the devices, which go on as they are.
            Log($"{config}: cannot be read anew: {fault.Message}");
        }
    }

    private void Log(string line) => error.WriteLine($"era: {line.ReplaceLineEndings(" ")}");
}
