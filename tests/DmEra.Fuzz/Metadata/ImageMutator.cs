using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Target.Metadata;

namespace DmEra.Fuzz.Metadata;

/// <summary>Damages an image: as disks do, which no checksum passes; and as no disk does, with the checksums made good
/// again, so that what lies behind them is tried as well.</summary>
internal sealed class ImageMutator(Random random, FuzzImage image)
{
    private const int BlockSize = BlockManager.BlockSize;
    private const int WritesetSize = 12;

    private static readonly int[] PointersOfSuperblock = [192, 200, 208, 216];     // open writeset, writesets, era array, snapshot

    private static readonly BlockValidator[] Types =
    [
        SuperblockValidator.Instance,
        BTreeNodeValidator.Instance,
        ArrayBlockValidator.Instance,
        IndexBlockValidator.Instance,
        BitmapValidator.Instance,
    ];

    private readonly MutatedImage _mutated = new(image.Bytes);
    private bool _hasNewValue;
    private bool _isRedirected;

    /// <summary>What was done.</summary>
    public List<string> Changes { get; } = [];

    /// <summary>False when a checksum was made good again: what every reader relies on is not there.</summary>
    public bool IsHonest => !_hasNewValue && !_isRedirected;

    /// <summary>False when the metadata has become another, of which nobody can tell that it is not right: a value was
    /// changed and its block sealed again. Of a single pointer that leads elsewhere the reference counts tell.</summary>
    public bool CanBeTold => !_hasNewValue && (!_isRedirected || Changes.Count == 1);

    /// <summary>Does something.</summary>
    public MutatedImage Mutate()
    {
        for (int changes = random.Next(4) == 0 ? random.Next(2, 8) : 1; changes > 0; changes--)
        {
            if (random.Next(2) == 0) Break();
            else Forge();
        }

        return _mutated;
    }

    // What a checksum, or the block's own address, must tell.
    private void Break()
    {
        ulong block = AnyBlock();
        switch (random.Next(12))
        {
            case 0:
                int length = random.Next(2) == 0 ? random.Next(image.Bytes.Length) : (int)AnyBlock() * BlockSize;
                _mutated.Truncate(Math.Min(length, _mutated.Length));
                Changes.Add($"truncated to {length} bytes");
                break;
            case 1:
                ulong other = AnyBlock();
                byte[] kept = _mutated.Change(block).ToArray();
                _mutated.Change(other).CopyTo(_mutated.Change(block));
                kept.CopyTo(_mutated.Change(other));
                Changes.Add($"swapped blocks {block} and {other}");
                break;
            case 2:
                _mutated.Change(block).Clear();
                Changes.Add($"zeroed block {block}");
                break;
            case 3:
                int begin = random.Next(BlockSize);
                random.NextBytes(_mutated.Change(block)[begin..random.Next(begin, BlockSize)]);
                Changes.Add($"overwrote block {block} from byte {begin} on");
                break;
            default:
                int bit = random.Next(BlockSize * 8);
                _mutated.Change(block)[bit / 8] ^= (byte)(1 << (bit % 8));
                Changes.Add($"flipped bit {bit} of block {block}");
                break;
        }
    }

    // What no checksum tells, because it is made anew.
    private void Forge()
    {
        ulong address = AnyBlock();
        if (TypeOf(_mutated.Change(address)) is not BlockValidator type) return;
        Span<byte> block = _mutated.Change(address);
        if (random.Next(3) == 0)
        {
            // What is not changed must not be sealed anew either: after a swap, that alone would be a forgery.
            if (!TryRedirect(address, block, type)) return;
        }
        else
        {
            _hasNewValue = true;
            PutNumber(address, type);
        }

        type.PrepareForWrite(address, block);
    }

    private void PutNumber(ulong address, BlockValidator type)
    {
        int header = type == SuperblockValidator.Instance ? Unsafe.SizeOf<Superblock>() : Unsafe.SizeOf<NodeHeader>();
        switch (random.Next(4))
        {
            case 0:
                Put32(address, random.Next(header / 4) * 4, Number32());
                break;
            case 1:
                Put64(address, random.Next(BlockSize / 8) * 8, AnyBlock());
                break;
            case 2:
                Put64(address, random.Next(BlockSize / 8) * 8, Number64());
                break;
            default:
                Put32(address, random.Next(BlockSize / 4) * 4, Number32());
                break;
        }
    }

    /// <summary>Makes a pointer lead elsewhere, perhaps back.</summary>
    private bool TryRedirect(ulong address, ReadOnlySpan<byte> block, BlockValidator type)
    {
        List<int> pointers = [.. Pointers(block, type)];
        if (pointers.Count == 0) return false;
        ulong target = random.Next(4) == 0 ? address : AnyBlock();
        if (target == 0) return false;      // no pointer, but the value that says that there is none
        _isRedirected = true;
        Put64(address, pointers[random.Next(pointers.Count)], target);
        return true;
    }

    private static IEnumerable<int> Pointers(ReadOnlySpan<byte> block, BlockValidator type)
    {
        if (type == SuperblockValidator.Instance)
        {
            byte[] superblock = block.ToArray();
            return PointersOfSuperblock.Where(offset => BinaryPrimitives.ReadUInt64LittleEndian(superblock.AsSpan(offset)) != 0);
        }

        if (type != BTreeNodeValidator.Instance) return [];
        NodeHeader header = MemoryMarshal.Read<NodeHeader>(block);
        long size = (uint)header.ValueSize;
        if (size is not (sizeof(ulong) or WritesetSize)) return [];
        // A writeset has its root behind the number of its bits.
        long first = Unsafe.SizeOf<NodeHeader>() + ((uint)header.MaxEntries * (long)sizeof(ulong)) + size - sizeof(ulong);
        long end = Math.Min(first + ((uint)header.NrEntries * size), BlockSize - sizeof(ulong) + 1);
        return Enumerable.Range(0, BlockSize / sizeof(ulong)).Select(i => first + (i * size)).TakeWhile(offset => offset < end).Select(offset => (int)offset);
    }

    private void Put32(ulong address, int offset, uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_mutated.Change(address)[offset..], value);
        Changes.Add($"put {value} at byte {offset} of block {address} and sealed it");
    }

    private void Put64(ulong address, int offset, ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_mutated.Change(address)[offset..], value);
        Changes.Add($"put {value} (64 bits) at byte {offset} of block {address} and sealed it");
    }

    private uint Number32() => random.Next(6) switch
    {
        0 => 0,
        1 => uint.MaxValue,
        2 => int.MaxValue,
        3 => (uint)random.Next(300),
        4 => 1u << random.Next(32),
        _ => (uint)random.NextInt64(uint.MaxValue),
    };

    private ulong Number64() => random.Next(3) switch
    {
        0 => ulong.MaxValue,
        1 => 1UL << random.Next(64),
        _ => Number32(),
    };

    private ulong AnyBlock()
    {
        ulong block = random.Next(10) == 0 || image.InUse.Count == 0
            ? (ulong)random.NextInt64((long)_mutated.BlockCount + 1)
            : image.InUse[random.Next(image.InUse.Count)];
        return Math.Min(block, (ulong)(image.Bytes.Length / BlockSize) - 1);
    }

    private static BlockValidator? TypeOf(ReadOnlySpan<byte> block)
    {
        uint salt = BinaryPrimitives.ReadUInt32LittleEndian(block) ^ Crc32C.OfBlock(block, 0);
        return Types.FirstOrDefault(type => type.Salt == salt);
    }
}
