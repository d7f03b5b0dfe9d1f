namespace DmEra.Devices;

/// <summary>
/// What NBD defines as <c>base:allocation</c>, for a file: its holes take no space and read as zeroes.
/// </summary>
/// <param name="file">The file or block node. Of the latter nothing is known: it is all data.</param>
public sealed class AllocationContext(FileBlockDevice file) : IBlockStatusContext
{
    private const uint Hole = 1;
    private const uint Zero = 2;

    /// <inheritdoc/>
    public string Name => "base:allocation";

    /// <inheritdoc/>
    public void Describe(long offset, long length, int maxExtents, List<Extent> extents)
    {
        long end = offset + length;
        int first = extents.Count;
        while (offset < end)
        {
            long next = Math.Min(file.EndOfRun(offset, out bool isHole), end);
            Extent run = new(next - offset, isHole ? Hole | Zero : 0);
            // The file may be changing: a run can end where the next one is of the same kind.
            if (extents.Count > first && extents[^1].Status == run.Status)
                extents[^1] = new Extent(extents[^1].Length + run.Length, run.Status);
            else if (extents.Count - first < maxExtents) extents.Add(run);
            else return;
            offset = next;
        }
    }
}
