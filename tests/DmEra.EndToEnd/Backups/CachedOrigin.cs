using DmEra.EndToEnd.Vm;
using DmEra.Tests;
using DmEra.Tests.Tools.Caches;
using DmEra.Tools.Caches;

namespace DmEra.EndToEnd.Backups;

/// <summary>
/// An origin of random content with a snapshot that somebody made of it, and a dm-cache that already has a copy of half of it, as if
/// it had been in use for long.
/// </summary>
internal sealed class CachedOrigin
{
    /// <summary>Sectors of a cache block: half an era block.</summary>
    public const uint CacheBlockSectors = 64;

    /// <summary>Length of the origin.</summary>
    public const int Bytes = 16 << 20;

    private const int CacheBlockBytes = (int)CacheBlockSectors * 512;
    private const uint CacheBlocks = 300;

    private readonly TempFolder _folder;
    private readonly CacheMapping[] _mappings;

    /// <summary>Makes the disks.</summary>
    /// <param name="folder">Where.</param>
    /// <param name="version">Of the cache's metadata: 1 or 2.</param>
    public CachedOrigin(TempFolder folder, int version)
    {
        _folder = folder;
        Random random = new(version);
        byte[] content = new byte[Bytes];
        random.NextBytes(content);
        File.WriteAllBytes(folder["origin"], content);
        File.Copy(folder["origin"], folder["snapshot"]);

        // Every other block of the origin, somewhere in the cache.
        uint[] places = [.. Enumerable.Range(0, (int)CacheBlocks).Select(place => (uint)place)];
        random.Shuffle(places);
        _mappings = [.. Enumerable.Range(0, Bytes / CacheBlockBytes / 2)
            .Select(i => new CacheMapping(places[i], (ulong)i * 2, IsDirty: false)).OrderBy(mapping => mapping.CacheBlock)];
        CacheImage.Create(folder["cachemeta"], version, CacheBlockSectors, CacheBlocks, _mappings);
        byte[] cached = new byte[CacheBlocks * CacheBlockBytes];
        foreach (CacheMapping mapping in _mappings)
        {
            content.AsSpan((int)mapping.OriginBlock * CacheBlockBytes, CacheBlockBytes)
                .CopyTo(cached.AsSpan((int)mapping.CacheBlock * CacheBlockBytes));
        }

        File.WriteAllBytes(folder["fast"], cached);
        string features = version == 1 ? "1 writeback" : "2 metadata2 writeback";
        TableOn = origin => $"0 {Bytes / 512} cache /dev/disk/cachemeta /dev/disk/fast {origin} {CacheBlockSectors} {features} smq 0";
    }

    /// <summary>The cache's table, given the device below it.</summary>
    public Func<string, string> TableOn { get; }

    /// <summary>The cache's two disks and the snapshot's.</summary>
    public GuestDisk[] Disks =>
    [
        GuestDisk.File("cachemeta", _folder["cachemeta"]),
        GuestDisk.File("fast", _folder["fast"]),
        GuestDisk.File("snapshot", _folder["snapshot"]),
    ];

    /// <summary>Origin blocks that are cached, and of which no block of 64 KiB in a list was written.</summary>
    public IEnumerable<ulong> CachedWithout(params IEnumerable<int> written) => _mappings
        .Select(mapping => mapping.OriginBlock)
        .Where(block => !written.Contains((int)(block * CacheBlockSectors / 128)))
        .Order();

    /// <summary>What is in the cache now, by its metadata; the cache must be gone.</summary>
    public IEnumerable<ulong> CachedNow()
    {
        Oracle.Run("cache_check", _folder["cachemeta"]).AssertSuccess();
        return CacheImage.Dump(_folder["cachemeta"]).Select(mapping => mapping.OriginBlock).Order();
    }
}
