using DmEra.Devices;
using DmEra.Target.History;

namespace DmEra.Target.Tracking;

/// <summary>A device whose writes are recorded in eras. One thread at a time.</summary>
public interface ITrackedDevice : IDisposable
{
    /// <summary>The device.</summary>
    DeviceIdentity Device { get; }

    /// <summary>The era that is open, or was archived last.</summary>
    uint CurrentEra { get; }

    /// <summary>The era before whose beginning writes were last missed, as when the origin was changed by something else; 0 when
    /// nothing is known of such a thing.</summary>
    uint Gap { get; }

    /// <summary>The content of the device as it is now.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    IBlockDevice Origin { get; }

    /// <summary>The mark of the beginning of an era; null when it has none.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    Guid? MarkOf(uint era);

    /// <summary>The blocks that were written in an era or later, ascending.</summary>
    /// <exception cref="IOException">The metadata cannot be read.</exception>
    IEnumerable<BlockRange> WrittenSince(uint era);
}
