using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Building;
using DmEra.PersistentData.Reading;

namespace DmEra.Tests.PersistentData.Building;

public sealed class ArrayBuilderTests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(64 * 1018, 2)]
    [InlineData((64 * 1018) + 1, 3)]
    [InlineData(200 * 1018, 4)]
    public void Values_may_come_in_any_order_and_more_than_once(int length, int seed)
    {
        using MemoryBlockDevice device = new(0);
        BlockWriter writer = new(device);
        Random random = new(seed);
        uint[] expected = new uint[length];
        ArrayBuilder<Le32> array = new(writer, (ulong)length, new byte[ArrayBuilder<Le32>.BufferSize]);
        for (int i = 0; i < 3000 && length > 0; i++)
        {
            int index = random.Next(length);
            expected[index] = (uint)random.Next();
            array.Block((ulong)index / 1018)[index % 1018] = expected[index];
        }

        AssertReads(expected, device, array.Complete());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Blocks_that_are_full_of_one_value_are_one_whatever_they_were_before(int seed)
    {
        const int BlockCount = 300;
        const int Length = (BlockCount * 1018) - 1;
        using MemoryBlockDevice device = new(0);
        BlockWriter writer = new(device);
        Random random = new(seed);
        uint[] expected = new uint[Length];
        ArrayBuilder<Le32> array = new(writer, Length, new byte[ArrayBuilder<Le32>.BufferSize]);
        for (int i = 0; i < 800; i++)
        {
            int block = random.Next(BlockCount);
            Span<Le32> values = array.Block((ulong)block);
            uint value = (uint)random.Next(3);
            if (random.Next(20) == 0) values[random.Next(values.Length)] = value;
            else values.Fill(value);
            for (int k = 0; k < values.Length; k++) expected[(block * 1018) + k] = values[k];
        }

        ulong root = array.Complete();

        AssertReads(expected, device, root);
        Assert.InRange(writer.Shared.Count, 2, 3);
        int own = Enumerable.Range(0, BlockCount - 1).Count(block => expected.AsSpan(block * 1018, 1018).ContainsAnyExcept(expected[block * 1018]));
        Assert.InRange((int)writer.Used, own, 100);
        Assert.Equal((uint)(BlockCount - 1), (uint)writer.Shared.Values.Sum(count => count) + OwnBlocks(device, root, BlockCount - 1, writer));
    }

    private static uint OwnBlocks(MemoryBlockDevice device, ulong root, ulong count, BlockWriter writer)
    {
        ArrayIndexWalk index = new(new MetadataReader(device));
        index.Seek(root, 0);
        uint own = 0;
        while (index.MoveNext() && index.Begin < count)
        {
            if (index.Piece == IndexPiece.Run && !writer.Shared.ContainsKey(index.Addresses[0])) own += (uint)(Math.Min(index.End, count) - index.Begin);
        }

        return own;
    }

    private static void AssertReads(uint[] expected, MemoryBlockDevice device, ulong root)
    {
        int length = expected.Length;
        List<uint> read = [];
        ArrayWalk<Le32> walk = new(new MetadataReader(device));
        walk.TurnTo(new ArrayRef(root, (ulong)length), 0, (ulong)length);
        while (walk.MoveNext())
        {
            Assert.Null(walk.Fault);
            while ((ulong)read.Count < walk.End)
            {
                foreach (Le32 value in walk.ValuesFrom((ulong)read.Count)) read.Add(value);
            }
        }

        Assert.Equal(expected, read);
    }
}
