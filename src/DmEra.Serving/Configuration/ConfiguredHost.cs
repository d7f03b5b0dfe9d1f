using System.Collections.Concurrent;
using DmEra.Serving.Hosting;

namespace DmEra.Serving.Configuration;

/// <summary>What a (re)load of a configuration came to, a line each.</summary>
/// <param name="Done">What was done.</param>
/// <param name="Refused">What could not be done: there all is as it was before.</param>
public sealed record LoadReport(IReadOnlyList<string> Done, IReadOnlyList<string> Refused);

/// <summary>A host that follows a configuration. Devices that were attached by hand are none of its business.</summary>
/// <param name="path">The configuration: a file or folder.</param>
/// <param name="loaded">What the host was made by.</param>
/// <param name="host">The host, without devices as yet.</param>
/// <param name="log">Is told, a line each time and from any thread, what has come of devices that took too long.</param>
public sealed class ConfiguredHost(string path, HostConfiguration loaded, DeviceHost host, Action<string> log)
{
    private readonly ConcurrentDictionary<string, ServedDevice> _own = new(StringComparer.Ordinal);     // attached by the configuration
    private readonly Lock _loading = new();     // one at a time; guards the one below
    private HostConfiguration _loaded = loaded;

    /// <summary>How long all devices that are to be attached, or detached, are waited for. One that takes longer is told, and goes on.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Attaches the devices, all at the same time. One that cannot be served, or hangs, does not keep the others from it.</summary>
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
        host.Change(next.Nbd);
        DeviceChanges changes = new(log);

        // First: what one lets go of may be another's.
        changes.Run(Gone(next), Detach, "detached", Patience);
        Dictionary<string, DeviceSettings> missing = new(StringComparer.Ordinal);
        foreach (DeviceSettings device in next.Devices)
        {
            if (host.Find(device.Name) is not { } served) missing.Add(device.Name, device);
            else if (device.DifferencesFrom(served.Settings) is { Count: > 0 } differences) changes.Refuse(Unchangeable(device.Name, differences));
        }

        changes.Run(missing.Keys, name => _own[name] = host.Attach(missing[name]), "attached", Patience);
        return changes.Report;
    }

    private string[] Gone(HostConfiguration next)
    {
        // Detached by hand, and perhaps attached by hand, it is no business of the configuration's any more.
        foreach (KeyValuePair<string, ServedDevice> own in _own)
        {
            if (host.Find(own.Key) != own.Value) _own.TryRemove(own);
        }

        return [.. _own.Keys.Except(next.Devices.Select(device => device.Name), StringComparer.Ordinal)];
    }

    private void Detach(string name)
    {
        host.Detach(name, force: false);
        _own.TryRemove(name, out _);
    }

    private static string Unchangeable(string name, IEnumerable<string> settings) =>
        $"{name}: {string.Join(", ", settings)} cannot be changed while it is served, and stays as it was; 'era detach {name}' and 'era reload' have it changed";

    private static string Fixed(string setting) => $"{setting} cannot be changed while this runs, and stays as it was; restart it";
}
