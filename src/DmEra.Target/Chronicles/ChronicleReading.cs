using DmEra.Devices;
using DmEra.Target.Metadata;

namespace DmEra.Target.Chronicles;

/// <summary>A chronicle beside a device that somebody else may run: it is only read. One thread at a time.</summary>
public sealed class ChronicleReading : IDisposable
{
    private readonly ChronicleFile? _file;
    private readonly uint _unmarked;        // the era that cannot have its mark any more; 0 = none

    private ChronicleReading(ChronicleFile? file, MetadataState found, FileStamp origin)
    {
        _file = file;
        if (file is null) return;
        if (Continuity.WhyAnother(file, found, out bool isGap) is string why)
        {
            Remark = why;
            if (isGap) Gap = found.CurrentEra + 1;
            _file = null;
            file.Dispose();
        }
        else if (file.Last is { } last)
        {
            Gap = last.Gap;
            if (Continuity.OriginChange(last, found, origin) is not string change) return;
            Remark = Continuity.Describe(change, last.Era - 1);
            Gap = _unmarked = found.CurrentEra + 1;
        }
    }

    /// <summary>What should be known of it, for people; null when nothing.</summary>
    public string? Remark { get; }

    /// <summary>As <see cref="IEraChronicle.Gap"/>.</summary>
    public uint Gap { get; }

    /// <summary>Reads the chronicle beside metadata; one without marks when there is none.</summary>
    /// <param name="metadata">Path of the metadata.</param>
    /// <param name="found">The metadata.</param>
    /// <param name="origin">The origin; the default when it is not looked at.</param>
    /// <exception cref="DeviceException">It cannot be read.</exception>
    public static ChronicleReading Of(string metadata, MetadataState found, FileStamp origin = default)
    {
        FileBlockDevice? device = SideFile.TryOpen(EraChronicle.PathFor(metadata), FileBlockDevice.OpenEntryShared);
        ChronicleFile? file = device is null ? null : ChronicleFile.TryOpen(device);
        if (file is null) device?.Dispose();
        return new ChronicleReading(file, found, origin);
    }

    /// <summary>As <see cref="IEraChronicle.MarkOf"/>.</summary>
    public Guid? MarkOf(uint era) =>
        era != _unmarked && _file?.Find(era) is { } record ? record.MarkValue : null;

    /// <inheritdoc/>
    public void Dispose() => _file?.Dispose();
}
