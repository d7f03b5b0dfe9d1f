using System.Buffers.Binary;
using DmEra.Tests.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.SpaceMaps;

/// <summary>
/// A space map read from the bytes on a device, by code that shares nothing with the code under test. Fails the test
/// when anything is not as the format has it: checksums, addresses, free counts, the bitmaps against the overflow tree.
/// </summary>
internal sealed class DecodedSpaceMap
{
    public const int EntriesPerBitmap = 16320;

    private static readonly uint[] CrcTable = [.. Enumerable.Range(0, 256).Select(value =>
    {
        uint crc = (uint)value;
        for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
        return crc;
    })];

    private readonly RecordingDevice _device;

    public DecodedSpaceMap(RecordingDevice device, uint superblockSalt = TestSuperblock.Salt)
    {
        _device = device;
        byte[] superblock = Block(0, superblockSalt);
        ReadOnlySpan<byte> root = superblock.AsSpan(TestSuperblock.SpaceMapRootOffset, 128);
        NrBlocks = U64(root, 0);
        ulong nrAllocated = U64(root, 8);
        IndexAddress = U64(root, 16);
        OverflowRoot = U64(root, 24);
        Assert.False(root[32..].ContainsAnyExcept((byte)0));
        Assert.True(NrBlocks <= _device.BlockCount);

        Counts = new uint[NrBlocks];
        int threes = ReadBitmaps(Block(IndexAddress, 160478));
        Assert.Equal(threes, ReadOverflow(OverflowRoot, isRoot: true));
        Assert.Equal(nrAllocated, (ulong)UsedBlocks.Count());
        OwnBlocks.UnionWith([0, IndexAddress]);
    }

    public ulong NrBlocks { get; }

    public ulong IndexAddress { get; }

    public ulong OverflowRoot { get; }

    /// <summary>The reference count of every block.</summary>
    public uint[] Counts { get; }

    /// <summary>The superblock and all blocks that the space map is in.</summary>
    public HashSet<ulong> OwnBlocks { get; } = [];

    /// <summary>Index entries: address, free, none free before.</summary>
    public List<(ulong Address, uint NrFree, uint NoneFreeBefore)> Index { get; } = [];

    /// <summary>Blocks with a count other than 0.</summary>
    public IEnumerable<ulong> UsedBlocks
    {
        get
        {
            for (ulong block = 0; block < NrBlocks; block++)
            {
                if (Counts[block] > 0) yield return block;
            }
        }
    }

    public bool IsUsed(ulong block) => block < NrBlocks && Counts[block] > 0;

    /// <summary>The checksum of a block, by the book.</summary>
    public static uint Checksum(ReadOnlySpan<byte> block, uint salt)
    {
        uint crc = 0xFFFFFFFF;
        foreach (byte value in block[4..]) crc = CrcTable[(byte)(crc ^ value)] ^ (crc >> 8);
        return crc ^ salt;
    }

    private int ReadBitmaps(byte[] index)
    {
        int threes = 0;
        for (ulong first = 0; first < NrBlocks; first += EntriesPerBitmap)
        {
            int i = (int)(first / EntriesPerBitmap);
            int entries = (int)Math.Min(EntriesPerBitmap, NrBlocks - first);
            ulong address = U64(index, 16 + (i * 16));
            uint nrFree = U32(index, 24 + (i * 16)), noneFreeBefore = U32(index, 28 + (i * 16));
            Index.Add((address, nrFree, noneFreeBefore));
            byte[] bitmap = Block(address, 240779);
            Assert.True(OwnBlocks.Add(address), $"bitmap {address} is used twice");

            int used = 0;
            int firstFree = EntriesPerBitmap;
            for (int k = EntriesPerBitmap - 1; k >= 0; k--)
            {
                int twoBits = bitmap[16 + (k / 4)] >> (k % 4 * 2);
                uint count = (uint)(((twoBits & 1) * 2) + ((twoBits >> 1) & 1));
                if (count == 0)
                {
                    firstFree = k;
                    continue;
                }

                Assert.True(k < entries, $"block {first + (ulong)k} is counted, but there is no such block");
                used++;
                if (count == 3) threes++;
                Counts[first + (ulong)k] = count;
            }

            Assert.True(noneFreeBefore <= firstFree, $"bitmap {i}: the hint is {noneFreeBefore}, not {firstFree}");
            Assert.Contains(nrFree, new[] { (uint)(EntriesPerBitmap - used), (uint)(entries - used) });
        }

        return threes;
    }

    private int ReadOverflow(ulong address, bool isRoot)
    {
        byte[] node = Block(address, 121107);
        Assert.True(OwnBlocks.Add(address), $"node {address} is used twice");
        uint flags = U32(node, 8 - 4), nrEntries = U32(node, 16), maxEntries = U32(node, 20), valueSize = U32(node, 24);
        Assert.True(nrEntries <= maxEntries && (isRoot || nrEntries >= maxEntries / 3));
        int values = 32 + (8 * (int)maxEntries);
        int found = 0;
        for (int i = 0; i < nrEntries; i++)
        {
            if (flags == 1)
            {
                Assert.Equal(8u, valueSize);
                found += ReadOverflow(U64(node, values + (8 * i)), isRoot: false);
                continue;
            }

            Assert.Equal((2u, 4u), (flags, valueSize));
            ulong key = U64(node, 32 + (8 * i));
            uint count = U32(node, values + (4 * i));
            Assert.True(count >= 3, $"overflow tree counts {count} for block {key}");
            Assert.Equal(3u, Counts[key]);
            Counts[key] = count;
            found++;
        }

        return found;
    }

    private byte[] Block(ulong address, uint salt)
    {
        byte[] block = _device[address];
        Assert.Equal(address, U64(block, 8));
        Assert.Equal(Checksum(block, salt), U32(block, 0));
        return block;
    }

    private static uint U32(ReadOnlySpan<byte> bytes, int offset) =>
        BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int offset) =>
        BinaryPrimitives.ReadUInt64LittleEndian(bytes[offset..]);
}
