using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;

namespace DmEra.Target.History;

/// <summary>An array as its owner knows it.</summary>
/// <param name="Root">Root of its index.</param>
/// <param name="Length">Values in it. It may hold more: an origin that shrank can leave some behind.</param>
internal readonly record struct ArrayRef(ulong Root, ulong Length);

/// <summary>Reads the blocks of arrays of <typeparamref name="TValue"/>, many at once. It keeps the addresses that one
/// leaf of one index has, so that reading on costs no search.</summary>
internal sealed class ArrayReader<TValue>(MetadataReader reader)
    where TValue : unmanaged
{
    /// <summary>Values in a full block.</summary>
    public static readonly int EntriesPerBlock =
        (MetadataReader.BlockSize - Unsafe.SizeOf<ArrayBlockHeader>()) / Unsafe.SizeOf<TValue>();

    private readonly TreeReader _index = new(reader);
    private readonly List<ulong> _addresses = [];     // of array blocks _firstIndex, _firstIndex + 1, ...
    private ulong _root;
    private ulong _firstIndex;

    /// <summary>When <see cref="Read"/> of a single block failed: the blocks from the one asked for up to this index,
    /// exclusive, are out of reach for the same reason. It may lie behind the end of the array.</summary>
    public ulong LostEnd { get; private set; }

    /// <summary>When <see cref="Read"/> of a single block failed: the way to the fault, from the root downwards.</summary>
    public IReadOnlyList<ulong> LostPath =>
        _addresses.Count == 0 ? _index.Path : [.. _index.Path, _addresses[(int)(LostEnd - 1 - _firstIndex)]];

    /// <summary>Blocks that an array of this length is made of.</summary>
    public static ulong BlockCount(ulong length) => (length + (ulong)EntriesPerBlock - 1) / (ulong)EntriesPerBlock;

    /// <summary>The values in one of the blocks that <see cref="Read"/> returned.</summary>
    public static ReadOnlySpan<TValue> Values(ReadOnlySpan<byte> blocks, int block)
    {
        ref readonly ArrayBlockHeader header = ref Header(blocks, block);
        int start = (block * MetadataReader.BlockSize) + Unsafe.SizeOf<ArrayBlockHeader>();
        return MemoryMarshal.Cast<byte, TValue>(blocks[start..])[..(int)(uint)header.NrEntries];
    }

    /// <summary>Reads array blocks from number <paramref name="index"/> on: at least one, at most
    /// <paramref name="count"/>. Each holds all the values that the length of the array asks of it.</summary>
    /// <returns>Whole metadata blocks, for <see cref="Values"/>; valid until the next read.</returns>
    /// <exception cref="MetadataCorruptException">The index or one of the blocks is damaged.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public ReadOnlySpan<byte> Read(ArrayRef array, ulong index, int count)
    {
        if (_root != array.Root || index - _firstIndex >= (ulong)_addresses.Count) Locate(array.Root, index);
        LostEnd = index + 1;
        Span<ulong> addresses = CollectionsMarshal.AsSpan(_addresses)[(int)(index - _firstIndex)..];
        addresses = addresses[..Math.Min(addresses.Length, Math.Min(count, MetadataReader.MaxRun))];
        ReadOnlySpan<byte> blocks = reader.Read(addresses, ArrayBlockValidator.Instance);
        for (int i = 0; i < addresses.Length; i++)
        {
            ulong before = (index + (ulong)i) * (ulong)EntriesPerBlock;
            RequireEntries(addresses[i], Header(blocks, i), Math.Min(array.Length - before, (ulong)EntriesPerBlock));
        }

        return blocks;
    }

    private static ref readonly ArrayBlockHeader Header(ReadOnlySpan<byte> blocks, int block) =>
        ref MemoryMarshal.AsRef<ArrayBlockHeader>(blocks[(block * MetadataReader.BlockSize)..]);

    private static void RequireEntries(ulong address, ArrayBlockHeader header, ulong expected)
    {
        int valueSize = Unsafe.SizeOf<TValue>();
        if (header.ValueSize != valueSize || header.MaxEntries != EntriesPerBlock)
        {
            string found = $"{header.MaxEntries} values of {header.ValueSize} bytes";
            throw Damaged(address, $"array block: room for {found}, not for {EntriesPerBlock} of {valueSize}");
        }

        if (header.NrEntries < expected)
            throw Damaged(address, $"array block: {header.NrEntries} entries, not {expected}");
    }

    private void Locate(ulong root, ulong index)
    {
        _addresses.Clear();
        _root = root;
        _firstIndex = index;
        ReadNode leaf;
        try { leaf = _index.FindLeaf<Le64>(root, index); }
        finally { LostEnd = _index.Bound; }

        int at = leaf.Keys.LowerBound(index);
        if (at < 0 || leaf.Keys[at] != index)
        {
            if (at + 1 < leaf.Count) LostEnd = leaf.Keys[at + 1];
            throw Damaged(_index.Path[^1], $"btree node: array block {index} is missing");
        }

        ReadOnlySpan<Le64> addresses = leaf.Values<Le64>();
        for (int i = at; i < leaf.Count && leaf.Keys[i] == index + (ulong)(i - at); i++)
            _addresses.Add(addresses[i]);
    }

    private static MetadataCorruptException Damaged(ulong address, string cause) =>
        new(address, cause, MetadataCorruption.Damaged);
}
