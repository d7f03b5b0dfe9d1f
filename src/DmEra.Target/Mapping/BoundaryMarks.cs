using DmEra.Devices;
using DmEra.Target.Chronicles;
using DmEra.Target.Metadata;

namespace DmEra.Target.Mapping;

/// <summary>Writes a mark down for each boundary, if the device has a chronicle.</summary>
internal sealed class BoundaryMarks(IEraChronicle? chronicle, IBlockDevice origin, Action<string> log) : IDisposable
{
    /// <summary>As <see cref="IEraChronicle.Gap"/>.</summary>
    public uint Gap => chronicle?.Gap ?? 0;

    /// <summary>As <see cref="IEraChronicle.MarkOf"/>.</summary>
    public Guid? MarkOf(uint era) => chronicle?.MarkOf(era);

    /// <summary>Metadata was read anew, and nothing is changed yet.</summary>
    /// <exception cref="EraTargetException">The chronicle cannot be read or written.</exception>
    public void Open(MetadataState found) => Do(marks => marks.Open(found, Stamp()));

    /// <summary>An era is to begin or to end: what is written down then has its place.</summary>
    /// <exception cref="EraTargetException">There is no room.</exception>
    public void MakeRoom() => Do(marks => marks.MakeRoom());

    /// <summary>An era has begun that nobody knows of yet.</summary>
    /// <exception cref="EraTargetException">It has no mark, and must not become known.</exception>
    public void Begun(uint era) => Do(marks => marks.Begun(era, Stamp()));

    /// <summary>An era has ended. Without a mark the next one is a stranger to whoever copies the device now, which is
    /// logged.</summary>
    public void Ended(uint era)
    {
        try { Do(marks => marks.Ended(era, Stamp())); }
        catch (EraTargetException fault) { log(fault.Message); }
    }

    /// <inheritdoc/>
    public void Dispose() => chronicle?.Dispose();

    private FileStamp Stamp() => (origin as FileBlockDevice)?.Stamp() ?? default;

    private void Do(Action<IEraChronicle> call)
    {
        if (chronicle is null) return;
        try
        {
            call(chronicle);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new EraTargetException(
                $"the chronicle of eras cannot be written: {fault.Message}; without it an era could be taken for another one",
                (fault as DeviceException)?.Errno ?? Errno.EIO,
                fault);
        }
    }
}
