using DmEra.Devices;
using DmEra.Target.Metadata;

namespace DmEra.Target.Chronicles;

/// <summary>
/// A chronicle in a file beside the metadata: <c>METADATA.chronicle</c>, 64 bytes a boundary (docs/on-disk-format.md). Whoever
/// uses it holds the metadata against others.
/// </summary>
/// <remarks>
/// Where the folder takes no new file there are no marks, which is said once; from then on what cannot be written is an error.
/// </remarks>
/// <param name="metadata">Path of the metadata.</param>
/// <param name="log">Is told, a line each, what is found changed.</param>
public sealed class EraChronicle(string metadata, Action<string> log) : IEraChronicle
{
    private const string Suffix = ".chronicle";

    private readonly string _path = PathFor(metadata);
    private readonly Lock _lock = new();    // guards what the field below is while it is searched; not held while anything is written
    private ChronicleFile? _file;

    /// <inheritdoc/>
    public uint Gap
    {
        get
        {
            lock (_lock) return _file?.Last?.Gap ?? 0;
        }
    }

    /// <inheritdoc/>
    public long KnownLength { get; private set; }

    /// <summary>Where the chronicle of metadata is.</summary>
    public static string PathFor(string metadata) => SideFile.PathFor(metadata, Suffix);

    /// <summary>Metadata is made anew: what is beside it is of an older one.</summary>
    /// <exception cref="IOException">It cannot be removed.</exception>
    public static void Remove(string metadata)
    {
        string path = PathFor(metadata);
        if (!File.Exists(path)) return;
        File.Delete(path);
        DurableFile.FlushFolder(Path.GetDirectoryName(path)!);
    }

    /// <inheritdoc/>
    public Guid? MarkOf(uint era)
    {
        lock (_lock) return _file?.Find(era) is { } record ? record.MarkValue : null;
    }

    /// <inheritdoc/>
    public void MakeRoom() => _file?.MakeRoom();

    /// <inheritdoc/>
    /// <remarks>What was known can be asked for until what is found takes its place.</remarks>
    public void Open(MetadataState found, FileStamp origin)
    {
        _file?.ReleaseLock();
        ChronicleFile? next = null;
        try
        {
            KnownLength = 0;
            next = TryOpen();
            bool isGap = false;
            if (next is not null && Continuity.WhyAnother(next, found, out isGap) is string why)
            {
                log($"{_path}: {why}; lists since eras that were marked before are refused from now on");
                next.Dispose();
                next = null;
            }

            if (next is not null) Compare(next, found, origin);
            else if ((next = Create(found.Lineage)) is not null && isGap) AppendRest(next, found, origin, gap: found.CurrentEra + 1);
            next?.MakeRoom();
        }
        catch
        {
            next?.Dispose();
            Use(null);
            throw;
        }

        Use(next);
    }

    /// <inheritdoc/>
    public void Begun(uint era, FileStamp origin, long length)
    {
        if (_file is null) return;
        // Nothing has changed since the one before ended: so it begins where that was said to end. But others may begin there as well,
        // on a clone or after a rollback: so the mark is not the same.
        Guid? prepared = _file.Last is { } last && last.Event != (uint)ChronicleEvent.Begun && last.Era == era ? last.MarkValue : null;
        Guid mark = EraMark.OfBeginning(prepared);
        Append(_file, ChronicleEvent.Begun, era, mark, origin with { ModifiedNanoseconds = 0 }, _file.Last?.Gap ?? 0, length);
    }

    /// <inheritdoc/>
    public void Ended(uint era, FileStamp origin, long length)
    {
        if (_file is not null) Append(_file, ChronicleEvent.Ended, era + 1, EraMark.OfRest(), origin, _file.Last?.Gap ?? 0, length);
    }

    /// <summary>The mark of the moment that a device is at while nobody uses it: given now, unless it has one.</summary>
    /// <param name="found">Its metadata.</param>
    /// <param name="origin">Its origin.</param>
    /// <exception cref="IOException">It cannot be written down.</exception>
    public EraMark? MarkRest(MetadataState found, FileStamp origin)
    {
        if (found.CurrentEra == uint.MaxValue) return null;
        uint next = found.CurrentEra + 1;
        Open(found, origin);
        if (_file is null) return null;
        if (_file.Last is not { } last || last.Event == (uint)ChronicleEvent.Begun || last.Era != next)
            last = AppendRest(_file, found, origin, _file.Last?.Gap ?? 0);
        return new EraMark(next, last.MarkValue);
    }

    /// <inheritdoc/>
    public void Dispose() => Use(null);

    private void Use(ChronicleFile? next)
    {
        lock (_lock)
        {
            _file?.Dispose();
            _file = next;
        }
    }

    private void Compare(ChronicleFile file, MetadataState found, FileStamp origin)
    {
        if (found.Lineage is null && file.Header.KnownLineage is not null) file.ForgetLineage();
        if (file.Last is not { } last) return;
        KnownLength = (long)(ulong)last.DeviceLength;
        if (Continuity.OriginChange(last, found, origin) is not string change) return;
        log(Continuity.Describe(change, last.Era - 1));
        AppendRest(file, found, origin, gap: found.CurrentEra + 1);
    }

    private ChronicleFile? TryOpen()
    {
        FileBlockDevice? device = SideFile.TryOpen(_path, FileBlockDevice.OpenEntry);
        if (device is null) return null;
        ChronicleFile? file = ChronicleFile.TryOpen(device);
        if (file is not null) return file;
        device.Dispose();
        log($"{_path}: damaged: lists since eras that were marked before are refused from now on");
        return null;
    }

    private static ChronicleRecord AppendRest(ChronicleFile file, MetadataState found, FileStamp origin, uint gap) => Append(
        file,
        found.IsEraOpen ? ChronicleEvent.LeftOpen : ChronicleEvent.Ended,
        found.CurrentEra + 1,
        EraMark.OfRest(),
        origin,
        gap,
        (long)(ulong)(file.Last?.DeviceLength ?? 0));

    private static ChronicleRecord Append(
        ChronicleFile file, ChronicleEvent what, uint era, Guid mark, FileStamp origin, uint gap, long length)
    {
        ChronicleRecord record = new()
        {
            Event = (uint)what,
            Era = era,
            Gap = gap,
            OriginInode = origin.Inode,
            OriginLength = (ulong)origin.Length,
            OriginModified = (ulong)origin.ModifiedNanoseconds,
            DeviceLength = (ulong)length,
        };
        mark.TryWriteBytes(record.Mark);
        file.Append(record);
        return record;
    }

    private ChronicleFile? Create(Guid? lineage)
    {
        bool isNew = !File.Exists(_path);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
            DurableFile.Replace(_path, $"{_path}.new", ChronicleBytes.Of(ChronicleHeader.For(lineage)));
        }
        catch (Exception fault) when (isNew && !IsFull(fault) && fault is IOException or UnauthorizedAccessException)
        {
            log($"{_path}: cannot be made: {fault.Message}; eras get no marks, and a history that is used a second time is found "
                + "by samples alone");
            return null;
        }

        return TryOpen();
    }

    private static bool IsFull(Exception fault) =>
        (fault as DeviceException)?.Errno is Errno.ENOSPC or Errno.EDQUOT || fault.HResult is Errno.ENOSPC or Errno.EDQUOT;
}
