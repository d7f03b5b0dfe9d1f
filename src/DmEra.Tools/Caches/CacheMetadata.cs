using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Reading;

namespace DmEra.Tools.Caches;

/// <summary>A cache block in use.</summary>
/// <param name="CacheBlock">Its number.</param>
/// <param name="OriginBlock">What it is a copy of, in units of the cache's block size.</param>
/// <param name="IsDirty">It has been written to, or may have been, and the origin does not know.</param>
public readonly record struct CacheMapping(uint CacheBlock, ulong OriginBlock, bool IsDirty);

/// <summary>Metadata of dm-cache, version 1 or 2, of a cache that is suspended or not in use.</summary>
public sealed class CacheMetadata
{
    private const ulong IsValid = 1;
    private const ulong IsDirtyInVersion1 = 2;
    private const int OriginBlockShift = 16;

    private readonly MetadataReader _reader;
    private readonly CacheSuperblock _superblock;

    private CacheMetadata(MetadataReader reader)
    {
        _reader = reader;
        _superblock = MemoryMarshal.Read<CacheSuperblock>(reader.Read(0, CacheSuperblockValidator.Instance));
    }

    /// <summary>Size of a cache block in sectors.</summary>
    public uint BlockSizeSectors => _superblock.DataBlockSize;

    /// <summary>Cache blocks, in use or not.</summary>
    public uint BlockCount => _superblock.CacheBlocks;

    /// <summary>True when the cache was shut down or suspended in good order. If not, it is active, or every block of it
    /// counts as dirty, as for the kernel.</summary>
    public bool IsClean => (_superblock.Flags & CacheSuperblock.CleanShutdown) != 0;

    /// <summary>Opens metadata.</summary>
    /// <param name="metadata">The metadata device; it stays the caller's.</param>
    /// <exception cref="MetadataCorruptException">It is no metadata of a cache, or damaged.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public static CacheMetadata Open(IBlockDevice metadata) => new(new MetadataReader(metadata));

    /// <summary>The cache blocks that are in use, ascending.</summary>
    /// <exception cref="MetadataCorruptException">Part of the metadata is damaged.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public IEnumerable<CacheMapping> Mappings()
    {
        ulong[]? dirty = IsClean && _superblock.Version > 1 ? ReadDirtyBits() : null;
        ulong[] window = new ulong[ArrayShape.ValuesPerBlock<Le64>()];
        ArrayWalk<Le64> mappings = new(_reader);
        for (uint first = 0; first < BlockCount; first += (uint)window.Length)
        {
            int count = (int)Math.Min((uint)window.Length, BlockCount - first);
            Read(mappings, _superblock.MappingRoot, BlockCount, first, window.AsSpan(0, count));
            for (uint i = 0; i < count; i++)
            {
                if ((window[i] & IsValid) == 0) continue;
                uint cacheBlock = first + i;
                bool isDirty = !IsClean
                    || (dirty is null ? (window[i] & IsDirtyInVersion1) != 0 : (dirty[cacheBlock / 64] >> (int)(cacheBlock % 64) & 1) != 0);
                yield return new CacheMapping(cacheBlock, window[i] >> OriginBlockShift, isDirty);
            }
        }
    }

    private ulong[] ReadDirtyBits()
    {
        ulong[] words = new ulong[(BlockCount + 63UL) / 64];
        Read(new ArrayWalk<Le64>(_reader), _superblock.DirtyRoot, (ulong)words.Length, 0, words);
        return words;
    }

    private static void Read(ArrayWalk<Le64> walk, ulong root, ulong length, ulong first, Span<ulong> values)
    {
        walk.TurnTo(new ArrayRef(root, length), first, first + (ulong)values.Length);
        while (walk.MoveNext())
        {
            if (walk.Fault is not null) ExceptionDispatchInfo.Throw(walk.Fault);
            walk.CopyTo(MemoryMarshal.Cast<ulong, Le64>(values), first);
        }
    }
}
