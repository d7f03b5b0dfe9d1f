using DmEra.Devices;
using DmEra.Target.Chronicles;
using DmEra.Target.Metadata;

namespace DmEra.Target.Mapping;

/// <summary>Writes a mark down for each boundary, if the device has a chronicle.</summary>
internal sealed class BoundaryMarks(IEraChronicle? chronicle, IBlockDevice origin, Action<string> log) : IDisposable
{
    private volatile bool _isSettled = true;

    /// <summary>False while metadata is being read anew, until it is compared: what is told meanwhile is of the history before.</summary>
    public bool IsSettled => _isSettled;

    /// <summary>As <see cref="IEraChronicle.KnownLength"/>.</summary>
    public long KnownLength => chronicle?.KnownLength ?? 0;

    /// <summary>As <see cref="IEraChronicle.Gap"/>.</summary>
    public uint Gap => chronicle?.Gap ?? 0;

    /// <summary>As <see cref="IEraChronicle.MarkOf"/>.</summary>
    public Guid? MarkOf(uint era) => chronicle?.MarkOf(era);

    /// <summary>Metadata is going to be read anew: it may be of another history.</summary>
    public void Unsettle() => _isSettled = chronicle is null;

    /// <summary>Metadata was read anew, and nothing is changed yet.</summary>
    /// <exception cref="EraTargetException">The chronicle cannot be read or written.</exception>
    public void Open(MetadataState found)
    {
        Do(marks => marks.Open(found, Stamp()));
        _isSettled = true;
    }

    /// <summary>An era is to begin or to end: what is written down then has its place.</summary>
    /// <exception cref="EraTargetException">There is no room.</exception>
    public void MakeRoom() => Do(marks => marks.MakeRoom());

    /// <summary>An era has begun that nobody knows of yet.</summary>
    /// <exception cref="EraTargetException">It has no mark, and must not become known.</exception>
    public void Begun(uint era, long length) => Do(marks => marks.Begun(era, Stamp(), length));

    /// <summary>An era has ended. Without a mark the next one is a stranger to whoever copies the device now, which is
    /// logged.</summary>
    public void Ended(uint era, long length)
    {
        try { Do(marks => marks.Ended(era, Stamp(), length)); }
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
