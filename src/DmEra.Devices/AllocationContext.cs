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
        if (end > file.Length) file.RefreshLength();    // the device that clients see has grown into it
        for (int count = 0; offset < end && count < maxExtents; count++)
        {
            long next = Math.Min(file.EndOfRun(offset, out bool isHole), end);
            extents.Add(new Extent(next - offset, isHole ? Hole | Zero : 0));
            offset = next;
        }
    }
}
