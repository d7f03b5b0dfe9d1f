using System.Buffers.Binary;
using System.Numerics;

namespace DmEra.Fuzz.Content;

/// <summary>Numbers of docs/on-disk-format.md, told once more: who shares nothing with the code under test cannot share
/// its mistakes.</summary>
internal static class MetadataFormat
{
    public const int BlockSize = 4096;
    public const int NodeHeader = 32;
    public const int ArrayHeader = 24;
    public const int EntriesPerBitmap = 16320;
    public const int EraSize = 4;
    public const int WordSize = 8;
    public const int WritesetSize = 12;
    public const int CountSize = 4;
    public const ulong Magic = 2126579579;

    public const uint SuperblockSalt = 146538381;
    public const uint NodeSalt = 121107;
    public const uint ArraySalt = 595846735;
    public const uint IndexSalt = 160478;
    public const uint BitmapSalt = 240779;

    /// <summary>Entries that fit in a node.</summary>
    public static int Capacity(int valueSize) => (BlockSize - NodeHeader) / (8 + valueSize) / 3 * 3;

    /// <summary>Values that fit in a block of an array.</summary>
    public static int PerBlock(int valueSize) => (BlockSize - ArrayHeader) / valueSize;

    /// <summary>Where a block has its own address.</summary>
    public static int AddressOffset(uint salt) => salt == ArraySalt ? 16 : 8;

    public static uint Checksum(ReadOnlySpan<byte> block, uint salt)
    {
        uint crc = BitOperations.Crc32C(uint.MaxValue, BinaryPrimitives.ReadUInt32LittleEndian(block[4..]));
        for (int i = 8; i < BlockSize; i += 8) crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(block[i..]));
        return crc ^ salt;
    }

    public static uint U32(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]);

    public static ulong U64(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[offset..]);

    public static void Put32(Span<byte> bytes, int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(bytes[offset..], value);

    public static void Put64(Span<byte> bytes, int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(bytes[offset..], value);
}
