using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace DmEra.PersistentData.Blocks;

/// <summary>The checksum of metadata blocks (kernel: <c>dm_bm_checksum</c>): the raw CRC-32C register, without the
/// usual final inversion, exclusive-ored with a constant of the block's type.</summary>
public static class Crc32C
{
    private const int LaneLength = BlockManager.BlockSize / 3 / sizeof(ulong) * sizeof(ulong);

    private static readonly uint[] Zeroes = MakeZeroes();

    /// <summary>Checksum of a block: it covers everything behind its first four bytes, where it is stored.</summary>
    /// <param name="block">The whole metadata block, 4096 bytes.</param>
    /// <param name="salt">The constant of the block's type.</param>
    public static uint OfBlock(ReadOnlySpan<byte> block, uint salt) => Raw(block[sizeof(uint)..]) ^ salt;

    /// <summary>The CRC register after <paramref name="bytes"/>, started at all ones and not inverted.</summary>
    // Compiled when it is first used: code compiled in advance calls what should be one instruction.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static uint Raw(ReadOnlySpan<byte> bytes)
    {
        // Each step waits for the one before, but a processor takes three at a time: so three lanes go side by side. What the
        // first has come to is carried over the bytes of the next as over zeroes, and what those add is added.
        uint crc = uint.MaxValue;
        for (; bytes.Length >= 3 * LaneLength; bytes = bytes[(3 * LaneLength)..])
        {
            uint second = 0, third = 0;
            for (int i = 0; i < LaneLength; i += sizeof(ulong))
            {
                crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes[i..]));
                second = BitOperations.Crc32C(second, BinaryPrimitives.ReadUInt64LittleEndian(bytes[(i + LaneLength)..]));
                third = BitOperations.Crc32C(third, BinaryPrimitives.ReadUInt64LittleEndian(bytes[(i + (2 * LaneLength))..]));
            }

            crc = OverLane(OverLane(crc) ^ second) ^ third;
        }

        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (byte value in bytes) crc = BitOperations.Crc32C(crc, value);
        return crc;
    }

    /// <summary>What a lane of zeroes makes of the register.</summary>
    private static uint OverLane(uint crc) =>
        Zeroes[crc & 0xFF] ^ Zeroes[256 + (crc >> 8 & 0xFF)] ^ Zeroes[512 + (crc >> 16 & 0xFF)] ^ Zeroes[768 + (crc >> 24)];

    // That is linear: what becomes of a byte of the register is the sum of what becomes of its bits.
    private static uint[] MakeZeroes()
    {
        uint[] zeroes = new uint[4 * 256];
        for (int bit = 0; bit < 32; bit++)
        {
            uint crc = 1u << bit;
            for (int i = 0; i < LaneLength; i += sizeof(ulong)) crc = BitOperations.Crc32C(crc, 0ul);
            int first = bit / 8 * 256;
            int value = 1 << (bit % 8);
            for (int below = 0; below < value; below++) zeroes[first + value + below] = zeroes[first + below] ^ crc;
        }

        return zeroes;
    }
}
