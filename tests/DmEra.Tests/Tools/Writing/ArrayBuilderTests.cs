using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.Target.History;
using DmEra.Tools.Writing;

namespace DmEra.Tests.Tools.Writing;

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

        ulong root = array.Complete();

        List<uint> read = [];
        ArrayPieces<Le32> pieces = new(
            new ArrayReader<Le32>(new MetadataReader(device)), new ArrayRef(root, (ulong)length), 0, (ulong)length);
        while (pieces.MoveNext())
        {
            Assert.Null(pieces.Fault);
            foreach (Le32 value in pieces.Values) read.Add(value);
        }

        Assert.Equal(expected, read);
    }
}
