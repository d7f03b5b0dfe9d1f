using System.Runtime.InteropServices;
using DmEra.Devices.Binary;

namespace DmEra.Tests.Devices.Binary;

public sealed class BigEndianTests
{
    [Fact]
    public void The_most_significant_byte_comes_first()
    {
        Be16 two = 0x0102;
        Be32 four = 0x01020304;
        Be64 eight = 0x0102030405060708;

        Assert.Equal([1, 2], MemoryMarshal.AsBytes(new Span<Be16>(ref two)).ToArray());
        Assert.Equal([1, 2, 3, 4], MemoryMarshal.AsBytes(new Span<Be32>(ref four)).ToArray());
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], MemoryMarshal.AsBytes(new Span<Be64>(ref eight)).ToArray());
    }

    [Fact]
    public void A_field_gives_back_the_number_it_was_made_of()
    {
        Assert.Equal(0xFEDC, (ushort)(Be16)0xFEDC);
        Assert.Equal(0xFEDCBA98, (uint)(Be32)0xFEDCBA98);
        Assert.Equal(0xFEDCBA9876543210, (ulong)(Be64)0xFEDCBA9876543210);
    }
}
