using DmEra.Devices;
using DmEra.Target.Mapping;

namespace DmEra.Serving.Configuration;

/// <summary>Devices that come and go, all at the same time. One that takes too long is told as refused and goes on: nobody is kept waiting
/// by a device that hangs.</summary>
/// <param name="log">Is told, a line each time and from any thread, what has come of those that took too long.</param>
internal sealed class DeviceChanges(Action<string> log)
{
    private readonly Lock _gate = new();    // guards all below
    private readonly List<string> _done = [];
    private readonly List<string> _refused = [];
    private readonly HashSet<string> _late = new(StringComparer.Ordinal);

    /// <summary>What there is to tell so far.</summary>
    public LoadReport Report
    {
        get
        {
            lock (_gate) return new LoadReport([.. _done], [.. _refused]);
        }
    }

    /// <summary>Tells of one that stays as it is.</summary>
    public void Refuse(string line)
    {
        lock (_gate) _refused.Add(line);
    }

    /// <summary>Has the same happen to several devices.</summary>
    /// <param name="devices">Their names.</param>
    /// <param name="change">What happens to each.</param>
    /// <param name="changed">What has happened then, in a word.</param>
    /// <param name="patience">How long to wait for all of them together.</param>
    public void Run(IEnumerable<string> devices, Action<string> change, string changed, TimeSpan patience)
    {
        // Those that hang keep the process from ending no more than they keep the others from going on.
        (string Device, Thread Thread)[] underWay =
            [.. devices.Select(device => (device, new Thread(() => Do(device, change, changed)) { IsBackground = true, Name = $"era {device}" }))];
        foreach ((_, Thread thread) in underWay) thread.Start();
        long end = Environment.TickCount64 + (long)patience.TotalMilliseconds;
        foreach ((string device, Thread thread) in underWay)
        {
            if (!thread.Join((int)Math.Max(0, end - Environment.TickCount64))) GiveUp(device, changed);
        }
    }

    private void GiveUp(string device, string changed)
    {
        lock (_gate)
        {
            _late.Add(device);
            _refused.Add($"{device}: is still being {changed}; that goes on");
        }
    }

    private void Do(string device, Action<string> change, string changed)
    {
        string? fault = FaultOf(device, change);
        string line = fault ?? $"{device}: {changed}";
        bool isLate;
        lock (_gate)
        {
            isLate = _late.Contains(device);
            if (!isLate) (fault is null ? _done : _refused).Add(line);
        }

        if (isLate) log(line);
    }

    // Whatever it is: what ails one device must not end the process, which has others.
    private static string? FaultOf(string device, Action<string> change)
    {
        try
        {
            change(device);
            return null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or EraTargetException)
        {
            return SystemFault.Describe(fault).ReplaceLineEndings(" ");
        }
        catch (Exception fault)
        {
            return $"{device}: {fault.Message.ReplaceLineEndings(" ")}";
        }
    }
}
