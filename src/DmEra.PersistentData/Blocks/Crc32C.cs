using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace DmEra.PersistentData.Blocks;

/// <summary>The checksum of metadata blocks (kernel: <c>dm_bm_checksum</c>): the raw CRC-32C register, without the
/// usual final inversion, exclusive-ored with a constant of the block's type.</summary>
public static class Crc32C
{
    /// <summary>Checksum of a block: it covers everything behind its first four bytes, where it is stored.</summary>
    /// <param name="block">The whole metadata block, 4096 bytes.</param>
    /// <param name="salt">The constant of the block's type.</param>
    public static uint OfBlock(ReadOnlySpan<byte> block, uint salt) => Raw(block[sizeof(uint)..]) ^ salt;

    /// <summary>The CRC register after <paramref name="bytes"/>, started at all ones and not inverted.</summary>
    // Compiled when it is first used: code compiled in advance calls what should be one instruction.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static uint Raw(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        while (bytes.Length >= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[sizeof(ulong)..];
        }

        foreach (byte value in bytes) crc = BitOperations.Crc32C(crc, value);
        return crc;
    }
}
