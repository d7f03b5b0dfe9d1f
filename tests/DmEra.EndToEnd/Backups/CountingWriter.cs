using System.Buffers.Binary;
using DmEra.EndToEnd.Processes;

namespace DmEra.EndToEnd.Backups;

/// <summary>
/// An NBD client that writes to blocks of 4 KiB all over a disk, one after the other, the number of the write each time. A copy
/// of the disk is of one moment just if it holds the first so many writes and no other.
/// </summary>
internal sealed class CountingWriter : IDisposable
{
    private const int BlockSize = 4096;
    private const int Stride = 7919;    // odd, so that it reaches every block of a power of two

    private readonly RunningProgram _program;
    private readonly int _blocks;

    /// <summary>Starts to write; the disk has a power of two of blocks, all zeroes.</summary>
    public CountingWriter(EraServer server, long diskLength)
    {
        _blocks = (int)(diskLength / BlockSize);
        string script =
            $"""
            n = 0
            while True:
                n += 1
                h.pwrite(n.to_bytes(8, 'little') * {BlockSize / 8}, n * {Stride} % {_blocks} * {BlockSize})
                print(n, flush=True)
            """;
        _program = new RunningProgram("/usr/bin/python3", ["-m", "nbd", "-u", server.Uri, "-c", script]);
    }

    /// <summary>Returns when so many writes more have been acknowledged.</summary>
    public void Await(int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (_program.ReadLine(TimeSpan.FromSeconds(60)) is null) Assert.Fail($"the writer ended: {_program.Errors}");
        }
    }

    /// <summary>Fails unless a copy of the disk is of one moment.</summary>
    /// <returns>How many writes there had been.</returns>
    public long AssertIsOfOneMoment(string path)
    {
        byte[] disk = File.ReadAllBytes(path);
        Assert.Equal(_blocks, disk.Length / BlockSize);
        long[] found = [.. Enumerable.Range(0, _blocks).Select(block => NumberIn(disk.AsSpan(block * BlockSize, BlockSize)))];
        long[] expected = new long[_blocks];
        for (long n = 1; n <= found.Max(); n++) expected[n * Stride % _blocks] = n;
        Assert.Equal(expected, found);
        return found.Max();
    }

    /// <inheritdoc/>
    public void Dispose() => _program.Dispose();

    private static long NumberIn(ReadOnlySpan<byte> block)
    {
        long number = BinaryPrimitives.ReadInt64LittleEndian(block);
        for (int i = 8; i < block.Length; i += 8) Assert.Equal(number, BinaryPrimitives.ReadInt64LittleEndian(block[i..]));
        return number;
    }
}
