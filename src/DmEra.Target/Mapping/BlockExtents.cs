using DmEra.Devices;

namespace DmEra.Target.Mapping;

/// <summary>Makes extents of bytes out of what is told of blocks, in ascending order; neighbours of one status become
/// one extent.</summary>
/// <param name="blockBytes">Bytes in a block.</param>
/// <param name="offset">Where the extents begin, perhaps in the midst of a block.</param>
/// <param name="length">Bytes to be covered.</param>
/// <param name="maxExtents">Most extents.</param>
/// <param name="extents">Receives them, behind those it has.</param>
internal sealed class BlockExtents(long blockBytes, long offset, long length, int maxExtents, List<Extent> extents)
{
    private readonly int _others = extents.Count;
    private readonly long _end = offset + length;
    private long _at = offset;

    /// <summary>Adds the blocks from the last one added up to this one, exclusive.</summary>
    /// <returns>false: nothing more is wanted.</returns>
    public bool AddUpTo(uint block, uint status) => Add(Math.Min(block * blockBytes, _end), status);

    /// <summary>Adds what is left.</summary>
    public void AddRest(uint status) => Add(_end, status);

    private bool Add(long end, uint status)
    {
        if (end > _at)
        {
            int count = extents.Count - _others;
            if (count > 0 && extents[^1].Status == status)
                extents[^1] = new Extent(extents[^1].Length + end - _at, status);
            else if (count < maxExtents)
                extents.Add(new Extent(end - _at, status));
            else
                return false;
            _at = end;
        }

        return _at < _end;
    }
}
