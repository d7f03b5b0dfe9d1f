using DmEra.Target.Chronicles;

namespace DmEra.Target.Mapping;

/// <summary>A device whose requests wait for as long as this is held, as while a snapshot of its origin is made. Whoever holds it
/// need not fear that somebody else lets requests in; and when it is let go of, a device that was suspended meanwhile stays
/// suspended.</summary>
public sealed class EraPause : IDisposable
{
    private readonly EraTarget _target;

    internal EraPause(EraTarget target, uint lastEra, EraMark? next)
    {
        _target = target;
        LastEra = lastEra;
        Next = next;
    }

    /// <summary>The last era that anything was written in: every write is recorded in it or in an older one, and is stable.</summary>
    public uint LastEra { get; }

    /// <summary>The beginning of the era that the device goes on with, which is this moment; null when it has no mark.</summary>
    public EraMark? Next { get; }

    /// <summary>Ends the pause: a new era begins and requests are let in, unless the device was suspended meanwhile. Nothing happens
    /// when it is over.</summary>
    /// <exception cref="EraTargetException">The device cannot go on yet. The pause is over nevertheless, and it is tried again until
    /// it can, or is stopped. Or it has been stopped: it does not go on.</exception>
    public void End() => _target.End(this);

    /// <summary>As <see cref="End"/>; what is in the way then is told by the device's state.</summary>
    public void Dispose()
    {
        try { End(); }
        catch (EraTargetException) { /* Tried again, and told to the log; or stopped by somebody who knows. */ }
    }
}
