using DmEra.Devices;
using DmEra.PersistentData.Blocks;

namespace DmEra.Simulation.Devices;

/// <summary>
/// The file system that a sparse metadata file lies on, for a simulated world. It has little space, which others take and give
/// back at any moment. What the file was given stays its own through crashes; a block that is written without its space is what
/// must never happen.
/// </summary>
/// <param name="blocks">What the file system has space for at most, in metadata blocks.</param>
/// <param name="random">Decides what others take.</param>
/// <param name="coverage">Counts refusals.</param>
internal sealed class FileSystemSpace(int blocks, Random random, Coverage coverage)
{
    private readonly HashSet<long> _backed = [];

    /// <summary>A copy of the file that leaves its holes out takes the place of the file.</summary>
    public void KeepOnly(ReadOnlySpan<byte> content)
    {
        _backed.Clear();
        for (int at = 0; at < content.Length; at += BlockManager.BlockSize)
        {
            if (content.Slice(at, BlockManager.BlockSize).ContainsAnyExcept((byte)0)) _backed.Add(at / BlockManager.BlockSize);
        }
    }

    /// <summary>Gives the file the space of a range, unless others have taken it.</summary>
    /// <exception cref="DeviceException">ENOSPC.</exception>
    public void Reserve(long offset, long length)
    {
        int left = random.Next(3) == 0 ? random.Next(blocks) : blocks;      // what others leave at this moment
        foreach (long block in Blocks(offset, length))
        {
            if (_backed.Contains(block)) continue;
            if (_backed.Count >= left)
            {
                coverage.Count("fault: the file system of the metadata is full");
                throw new DeviceException("simulated file system", random.Next(2) == 0 ? Errno.ENOSPC : Errno.EDQUOT);
            }

            _backed.Add(block);
        }
    }

    /// <summary>Whether a write finds its space.</summary>
    public bool IsBacked(long offset, long length) => Blocks(offset, length).All(_backed.Contains);

    private static IEnumerable<long> Blocks(long offset, long length)
    {
        for (long at = offset; at < offset + length; at += BlockManager.BlockSize) yield return at / BlockManager.BlockSize;
    }
}
