using DmEra.Devices;
using DmEra.Nbd.Client;
using DmEra.PersistentData.Blocks;
using DmEra.Serving.Sockets;
using DmEra.Target.Chronicles;
using DmEra.Target.History;
using DmEra.Target.Mapping;
using DmEra.Target.Metadata;

namespace DmEra.Serving.Hosting;

/// <summary>Which device to serve, and under what name; nothing has been looked at yet.</summary>
public sealed record DeviceSettings
{
    private const uint DefaultBlockSectors = 128;

    /// <summary>The device by its table; or null, and <see cref="Origin"/> says what it is made from.</summary>
    public EraTable? Table { get; init; }

    /// <summary>Path of the origin, or the NBD URI of one on a server.</summary>
    public required string Origin { get; init; }

    /// <summary>Path of the metadata.</summary>
    public required string Metadata { get; init; }

    /// <summary>Bytes in an origin block; null: those of the metadata there is, or 64 KiB.</summary>
    public long? BlockSize { get; init; }

    /// <summary>Bytes of an origin to be made; null when it must exist.</summary>
    public long? Size { get; init; }

    /// <summary>Whether the metadata takes all of its space at once, not as it needs it.</summary>
    public bool ReservesMetadata { get; init; }

    /// <summary>Name of the device and of its export.</summary>
    public required string Name { get; init; }

    /// <summary>Where to listen for its NBD clients.</summary>
    public IReadOnlyList<ListenAddress> Listen { get; init; } = [];

    /// <summary>The most blocks that are marked ahead of a sequential writer; null: the usual.</summary>
    public uint? MarkAhead { get; init; }

    /// <summary>Whether clients may not write.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>The era or label whose bitmap is the only one that clients see; null: they see all.</summary>
    public string? Bitmap { get; init; }

    /// <summary>The settings, by the names that people type, in which this differs from what a device is served by.</summary>
    public IReadOnlyList<string> DifferencesFrom(DeviceSettings served)
    {
        (string Name, bool IsSame)[] compared =
        [
            ("origin", string.Equals(Origin, served.Origin, StringComparison.Ordinal)),
            ("metadata", string.Equals(Metadata, served.Metadata, StringComparison.Ordinal)),
            ("table", string.Equals(Table?.ToString(), served.Table?.ToString(), StringComparison.Ordinal)),
            ("block-size", BlockSize == served.BlockSize),
            ("size", Size == served.Size),
            ("reserve", ReservesMetadata == served.ReservesMetadata),
            ("mark-ahead", MarkAhead == served.MarkAhead),
            ("read-only", IsReadOnly == served.IsReadOnly),
            ("bitmap", string.Equals(Bitmap, served.Bitmap, StringComparison.Ordinal)),
            ("listen", Listen.SequenceEqual(served.Listen)),
        ];
        return [.. compared.Where(setting => !setting.IsSame).Select(setting => setting.Name)];
    }

    /// <summary>What cannot be of two devices at once: origin and metadata, each with what is the same for all names that it has now.</summary>
    public IReadOnlyList<(string Path, string Identity)> FindFiles() => [(Origin, IdentityOf(Origin)), (Metadata, IdentityOf(Metadata))];

    /// <summary>Makes the files that are missing, and the table of the device.</summary>
    /// <param name="files">What is made.</param>
    /// <param name="remote">The origin, when that is on a server.</param>
    /// <exception cref="ServingException">The origin is missing or has another size.</exception>
    internal EraTable Prepare(NewFiles files, IBlockDevice? remote = null)
    {
        EraTable table = Table ?? PrepareFiles(files, remote);
        if (ReservesMetadata) ReserveMetadata(table.MetadataPath);
        return table;
    }

    private EraTable PrepareFiles(NewFiles files, IBlockDevice? remote)
    {
        long size = remote is null ? PrepareOrigin(files) : SizeOf(remote);
        uint blockSectors = BlockSize is long bytes ? BlockSectors(bytes) : ExistingBlockSectors() ?? DefaultBlockSectors;
        string origin = remote is null ? Path.GetFullPath(Origin) : Origin;
        EraTable table = new(0, size / EraTable.SectorSize, Path.GetFullPath(Metadata), origin, blockSectors);
        if (Path.Exists(Metadata)) return table;
        files.CreateSparse(Metadata, MetadataSizing.SuggestedBytes(table.BlockCount));
        files.Expect(EraChronicle.PathFor(Metadata));
        return table;
    }

    private static void ReserveMetadata(string path)
    {
        using FileBlockDevice metadata = FileBlockDevice.Open(path);
        try { metadata.Reserve(0, metadata.Length); }
        catch (DeviceException fault) when (fault.Errno is Errno.ENOSPC or Errno.EDQUOT)
        {
            throw new ServingException($"{fault.Message}; make room there, or leave --reserve away");
        }
    }

    private static string IdentityOf(string path) =>
        NbdUri.IsUri(path) ? path
        : FileStatus.TryOf(path) is { } status ? $"{status.Identity}"
        : DiskNames.Of(path)[^1];

    private long PrepareOrigin(NewFiles files)
    {
        if (Path.Exists(Origin)) return ExistingOriginSize();
        if (Size is not long size)
        {
            throw new ServingException(NewFiles.CanBeMade(Origin)
                ? $"{Origin}: no such file; give --size to create it"
                : $"{Origin}: no such device; check the path");
        }

        // Its eras would be told of a disk that has none of that content.
        if (Path.Exists(Metadata))
        {
            throw new ServingException($"{Origin}: no such file, but its metadata exists: {Metadata}; "
                + "put the origin back, or remove the metadata to begin anew");
        }

        RequireSectors(size);
        files.CreateSparse(Origin, size);
        return size;
    }

    private long ExistingOriginSize()
    {
        using FileBlockDevice origin = FileBlockDevice.OpenShared(Origin);
        return SizeOf(origin);
    }

    private long SizeOf(IBlockDevice origin)
    {
        if (Size is long size && size != origin.Length)
        {
            throw new ServingException($"{Origin}: exists with {ByteSize.Format(origin.Length)}, "
                + $"not {ByteSize.Format(size)}; leave --size away to serve it as it is");
        }

        RequireSectors(origin.Length);
        return origin.Length;
    }

    private void RequireSectors(long size)
    {
        if (size > 0 && size % EraTable.SectorSize == 0) return;
        throw new ServingException($"{Origin}: {size} bytes are no whole sectors of 512; "
            + $"make it longer with 'truncate -s %512 {Origin}', or give another --size");
    }

    private static uint BlockSectors(long bytes)
    {
        if (bytes % EraTable.SectorSize == 0 && bytes / EraTable.SectorSize <= uint.MaxValue)
            return (uint)(bytes / EraTable.SectorSize);     // the table refuses more that makes no sense
        throw new SettingsException($"a block size of {bytes} bytes makes no sense; it must be a multiple of 4K below 2T");
    }

    // Only a default: whatever is wrong with the metadata, opening it for good says better.
    private uint? ExistingBlockSectors()
    {
        if (!Path.Exists(Metadata)) return null;
        try
        {
            using FileBlockDevice metadata = FileBlockDevice.OpenShared(Metadata);
            using EraHistory history = EraHistory.Open(metadata);
            return history.DataBlockSize;
        }
        catch (Exception fault) when (fault is MetadataException or DeviceException)
        {
            return null;
        }
    }
}
