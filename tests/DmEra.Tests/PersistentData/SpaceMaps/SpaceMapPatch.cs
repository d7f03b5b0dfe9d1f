using System.Buffers.Binary;
using DmEra.Tests.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.SpaceMaps;

/// <summary>Changes blocks of a space map on a device, and makes their checksums right again.</summary>
internal static class SpaceMapPatch
{
    public delegate void Change(Span<byte> block);

    public static void Superblock(RecordingDevice device, Change change) =>
        Apply(device, 0, TestSuperblock.Salt, change);

    public static void Index(RecordingDevice device, Change change) =>
        Apply(device, new DecodedSpaceMap(device).IndexAddress, 160478, change);

    public static void Bitmap(RecordingDevice device, Change change) =>
        Apply(device, new DecodedSpaceMap(device).Index[0].Address, 240779, change);

    public static void Overflow(RecordingDevice device, Change change) =>
        Apply(device, new DecodedSpaceMap(device).OverflowRoot, 121107, change);

    public static void Apply(RecordingDevice device, ulong address, uint salt, Change change)
    {
        byte[] block = device[address].ToArray();
        change(block);
        BinaryPrimitives.WriteUInt32LittleEndian(block, DecodedSpaceMap.Checksum(block, salt));
        device[address] = block;
    }
}
