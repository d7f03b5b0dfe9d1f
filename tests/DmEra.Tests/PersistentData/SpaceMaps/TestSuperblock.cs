using System.Buffers.Binary;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Tests.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.SpaceMaps;

/// <summary>A superblock of the tests' own: the root of the space map, and a number to tell commits apart.</summary>
internal static class TestSuperblock
{
    public const int SpaceMapRootOffset = 44;

    public const uint Salt = 99;

    private const int NumberOffset = 200;

    public static readonly SuperblockFormat Format = new(new TestBlockValidator("superblock", Salt), SpaceMapRootOffset);

    public static FillSuperblock Numbered(ulong number) =>
        superblock => BinaryPrimitives.WriteUInt64LittleEndian(superblock[NumberOffset..], number);

    public static ulong NumberIn(ReadOnlySpan<byte> superblock) =>
        BinaryPrimitives.ReadUInt64LittleEndian(superblock[NumberOffset..]);
}
