using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Building;
using DmEra.PersistentData.Reading;
using DmEra.Tests.Target;

namespace DmEra.Tests.PersistentData.Reading;

/// <summary>Arrays with blocks that many entries of the index name, and indexes that leave some out.</summary>
public sealed class ArrayWalkTests
{
    private const int PerBlock = 1018;

    private readonly ProbeDevice _device = new(0) { Capacity = 64 << 20 };
    private readonly BlockWriter _writer;
    private int _reads;

    public ArrayWalkTests() => _writer = new BlockWriter(_device);

    [Theory]
    [InlineData("a", 1)]
    [InlineData("aaaaaaaaab", 2)]
    [InlineData("abababbbba", 7)]
    [InlineData("abcaaaacab", 7)]
    public void A_block_that_entries_in_a_row_name_is_one_piece(string layout, int pieces)
    {
        ArrayRef array = Build(layout);
        ArrayWalk<Le32> walk = Walk();
        walk.TurnTo(array, 0, ulong.MaxValue);
        int found = 0;
        ulong end = 0;
        for (; walk.MoveNext(); end = walk.End, found++)
        {
            Assert.Null(walk.Fault);
            Assert.Equal(end, walk.Begin);
            Assert.Equal(walk.IsRepeated, walk.End - walk.Begin > PerBlock);
        }

        Assert.Equal((pieces, array.Length), (found, end));
    }

    [Theory]
    [InlineData("aaaaaaaaab", 1)]
    [InlineData("abababbbba", 2)]
    [InlineData("abcaaaacab", 3)]
    [InlineData("abcdefghij", 4)]
    public void Every_range_reads_as_if_nothing_were_shared(string layout, int seed)
    {
        ArrayRef array = Build(layout);
        uint[] expected = Expected(layout);
        ArrayWalk<Le32> walk = Walk();
        Random random = new(seed);
        for (int i = 0; i < 200; i++)
        {
            int begin = random.Next(expected.Length);
            int end = random.Next(begin, expected.Length + 1);
            Assert.Equal(expected[begin..end], Read(walk, array, (ulong)begin, (ulong)end));
        }
    }

    [Fact]
    public void A_block_that_is_named_by_others_in_between_is_read_once()
    {
        ArrayRef array = Build(string.Concat(Enumerable.Repeat("ab", 600)));
        ArrayWalk<Le32> walk = Walk();

        Read(walk, array, 0, array.Length);

        Assert.InRange(_reads, 1, 2 + 8);      // two blocks; the root and seven leaves of the index at most
    }

    [Fact]
    public void Going_on_where_the_last_range_ended_reads_no_node_again()
    {
        ArrayRef array = Build(new string('a', 3000));
        ArrayWalk<Le32> walk = Walk();
        for (ulong begin = 0; begin < array.Length; begin += 5000) Read(walk, array, begin, Math.Min(begin + 5000, array.Length));

        Assert.InRange(_reads, 1, 1 + 1 + 13);
    }

    [Theory]
    [InlineData(0, 5)]
    [InlineData(3, 4)]
    [InlineData(8, 10)]
    public void What_the_index_leaves_out_is_a_piece_that_is_lost(int first, int end)
    {
        ulong block = WriteBlock('a');
        ulong root = TreeBuilder.Build(
            _writer, (ulong)(10 - (end - first)), i => (i < (ulong)first ? i : i + (ulong)(end - first), (Le64)block));
        ArrayWalk<Le32> walk = Walk();
        walk.TurnTo(new ArrayRef(root, 10 * PerBlock), 0, 10 * PerBlock);
        List<(ulong, ulong)> lost = [];
        while (walk.MoveNext())
        {
            if (walk.Fault is not null) lost.Add((walk.Begin / PerBlock, walk.End / PerBlock));
            if (walk.Fault is not null) Assert.Equal([root], walk.FaultPath);
        }

        Assert.Equal([((ulong)first, (ulong)end)], lost);
    }

    [Fact]
    public void A_shared_block_that_is_too_short_for_the_first_entry_that_names_it_is_lost()
    {
        ulong block = WriteBlock('a', 12);
        ulong root = TreeBuilder.Build(_writer, 3, i => (i, (Le64)block));
        ArrayWalk<Le32> walk = Walk();
        walk.TurnTo(new ArrayRef(root, (2 * PerBlock) + 12), 0, ulong.MaxValue);

        Assert.True(walk.MoveNext());
        Assert.Equal("array block: 12 entries, not 1018", Assert.IsType<MetadataCorruptException>(walk.Fault).Cause);
        Assert.Equal([root, block], walk.FaultPath);
        Assert.False(walk.MoveNext());
    }

    [Fact]
    public void A_damaged_shared_block_is_lost_for_all_that_name_it_and_for_nobody_else()
    {
        const string Layout = "abcaaaacab";
        ArrayRef array = Build(Layout, out Dictionary<char, ulong> blocks);
        _device.Write(((long)blocks['a'] * BlockManager.BlockSize) + 99, [0xFF]);
        ArrayWalk<Le32> walk = Walk();
        walk.TurnTo(array, 0, ulong.MaxValue);
        char[] read = new char[Layout.Length];
        while (walk.MoveNext())
        {
            char name = walk.Fault is null ? (char)walk.Block[0].Value : 'a';
            read.AsSpan((int)(walk.Begin / PerBlock)..(int)((walk.End + PerBlock - 1) / PerBlock)).Fill(name);
        }

        Assert.Equal(Layout, new string(read));
    }

    /// <summary>Writes an array of which each letter is a block; those of one letter are one block, but for the last, shorter one.</summary>
    private ArrayRef Build(string layout) => Build(layout, out _);

    private ArrayRef Build(string layout, out Dictionary<char, ulong> blocks)
    {
        blocks = layout[..^1].Distinct().ToDictionary(name => name, name => WriteBlock(name));
        ulong last = WriteBlock(layout[^1], 10);
        Dictionary<char, ulong> full = blocks;
        ulong root = TreeBuilder.Build(_writer, (ulong)layout.Length, i =>
            (i, (Le64)((int)i == layout.Length - 1 ? last : full[layout[(int)i]])));
        return new ArrayRef(root, (ulong)((layout.Length - 1) * PerBlock) + 10);
    }

    private ulong WriteBlock(char name, int count = PerBlock)
    {
        Span<byte> block = _writer.Blank();
        ArrayBlockHeader.Format<Le32>(block);
        ArrayBlockHeader.Refill<Le32>(block, 0, count, name);
        ulong address = _writer.Reserve(1);
        _writer.Write(address, block, ArrayBlockValidator.Instance);
        return address;
    }

    private static uint[] Expected(string layout) =>
        [.. layout[..^1].SelectMany(name => Enumerable.Repeat((uint)name, PerBlock)), .. Enumerable.Repeat((uint)layout[^1], 10)];

    private ArrayWalk<Le32> Walk()
    {
        _device.Before = operation => _reads += operation.Call == DeviceCall.Read ? 1 : 0;
        return new ArrayWalk<Le32>(new MetadataReader(_device));
    }

    private static uint[] Read(ArrayWalk<Le32> walk, ArrayRef array, ulong begin, ulong end)
    {
        List<uint> values = [];
        walk.TurnTo(array, begin, end);
        while (walk.MoveNext())
        {
            Assert.Null(walk.Fault);
            for (ulong at = walk.Begin; at < walk.End;)
            {
                ReadOnlySpan<Le32> some = walk.ValuesFrom(at);
                values.AddRange(MemoryMarshal.Cast<Le32, uint>(some));
                at += (ulong)some.Length;
            }
        }

        return [.. values];
    }
}
