using System.Runtime.InteropServices;

namespace DmEra.EndToEnd.Processes;

/// <summary>A log of dm-log-writes' format, as qemu's blklogwrites writes it: all that was done to a disk, in order.
/// </summary>
internal sealed class LoggedWrites
{
    private const ulong Magic = 0x6a736677736872;
    private const int Sector = 512;
    private const ulong FlushFlag = 1, DiscardFlag = 4;

    private readonly byte[] _log;

    private LoggedWrites(byte[] log) => _log = log;

    /// <summary>Reads a log, which may be written to meanwhile.</summary>
    public static LoggedWrites Read(string path) => new(File.ReadAllBytes(path));

    /// <summary>How many entries there are.</summary>
    public int Count
    {
        get
        {
            Assert.Equal(Magic, U64(0));
            return (int)U64(16);
        }
    }

    /// <summary>Replays it on a disk of zeroes.</summary>
    /// <param name="disk">Is filled.</param>
    /// <param name="done">Called after each entry with its number, counted from 1, and whether it was a flush.</param>
    public void Replay(byte[] disk, Action<int, bool> done)
    {
        int at = Sector;
        int count = Count;
        for (int entry = 1; entry <= count; entry++)
        {
            (ulong sector, ulong sectors, ulong flags) = (U64(at), U64(at + 8), U64(at + 16));
            at += Sector;
            int length = (int)sectors * Sector;
            if ((flags & DiscardFlag) != 0)
            {
                disk.AsSpan((int)sector * Sector, length).Clear();
            }
            else
            {
                _log.AsSpan(at, length).CopyTo(disk.AsSpan((int)sector * Sector));
                at += length;
            }

            done(entry, (flags & FlushFlag) != 0);
        }
    }

    private ulong U64(int offset) => MemoryMarshal.Read<ulong>(_log.AsSpan(offset));
}
