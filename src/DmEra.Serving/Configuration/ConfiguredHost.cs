using DmEra.Serving.Hosting;
using DmEra.Target.Mapping;

namespace DmEra.Serving.Configuration;

/// <summary>What a (re)load of a configuration came to, a line each.</summary>
/// <param name="Done">What was done.</param>
/// <param name="Refused">What could not be done: there all is as it was before.</param>
public sealed record LoadReport(IReadOnlyList<string> Done, IReadOnlyList<string> Refused);

/// <summary>A host that follows a configuration. Devices that were attached by hand are none of its business.</summary>
/// <param name="path">The configuration: a file or folder.</param>
/// <param name="loaded">What the host was made by.</param>
/// <param name="host">The host, without devices as yet.</param>
public sealed class ConfiguredHost(string path, HostConfiguration loaded, DeviceHost host)
{
    private readonly Lock _loading = new();     // one at a time; guards the two below
    private readonly HashSet<string> _own = new(StringComparer.Ordinal);
    private HostConfiguration _loaded = loaded;

    /// <summary>Attaches the devices, all at the same time. One that cannot be served does not keep the others from it.</summary>
    public LoadReport Load()
    {
        lock (_loading) return Apply(_loaded);
    }

    /// <summary>Reads the configuration anew, and applies what has changed. What cannot be changed stays as it was, and so does all when
    /// there are errors. Connections of clients are left alone.</summary>
    /// <exception cref="ConfigurationException">There are errors.</exception>
    public LoadReport Reload()
    {
        lock (_loading)
        {
            HostConfiguration next = HostConfiguration.Read(path);
            LoadReport report = Apply(next);
            List<string> refused = [.. report.Refused];
            if (!string.Equals(next.Control, _loaded.Control, StringComparison.Ordinal)) refused.Insert(0, Fixed("control"));
            if (!next.Listen.SequenceEqual(_loaded.Listen)) refused.Insert(0, Fixed("listen"));
            _loaded = next with { Control = _loaded.Control, Listen = _loaded.Listen };
            return report with { Refused = refused };
        }
    }

    private LoadReport Apply(HostConfiguration next)
    {
        List<string> done = [];
        List<string> refused = [];
        host.Change(next.Nbd);
        foreach (string name in _own.Except(next.Devices.Select(device => device.Name), StringComparer.Ordinal).ToArray())
        {
            // Detached by hand, it is gone already.
            if (host.Find(name) is null || Try(() => host.Detach(name, force: false), $"{name}: detached")) _own.Remove(name);
        }

        List<Thread> starting = [];
        foreach (DeviceSettings device in next.Devices)
        {
            if (host.Find(device.Name) is { } served)
            {
                if (device.DifferencesFrom(served.Settings) is { Count: > 0 } differences)
                    Report(refused, Unchangeable(device.Name, differences));
                continue;
            }

            Thread thread = new(() =>
            {
                if (!Try(() => host.Attach(device), $"{device.Name}: attached")) return;
                lock (_own) _own.Add(device.Name);
            });
            thread.Start();
            starting.Add(thread);
        }

        foreach (Thread thread in starting) thread.Join();
        return new LoadReport(done, refused);

        bool Try(Action action, string success)
        {
            string? fault = FaultOf(action);
            Report(fault is null ? done : refused, fault ?? success);
            return fault is null;
        }

        static void Report(List<string> lines, string line)
        {
            lock (lines) lines.Add(line);
        }
    }

    private static string? FaultOf(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or EraTargetException)
        {
            return fault.Message.ReplaceLineEndings(" ");
        }
    }

    private static string Unchangeable(string name, IEnumerable<string> settings) =>
        $"{name}: {string.Join(", ", settings)} cannot be changed while it is served, and stays as it was; 'era detach {name}' and 'era reload' have it changed";

    private static string Fixed(string setting) => $"{setting} cannot be changed while this runs, and stays as it was; restart it";
}
