using DmEra.Devices;

namespace DmEra.Tests.Nbd;

/// <summary>A metadata context of extents of one size, whose statuses repeat.</summary>
internal sealed class PatternContext(string name, long extentBytes, params uint[] statuses) : IBlockStatusContext
{
    public string Name => name;

    public void Describe(long offset, long length, int maxExtents, List<Extent> extents)
    {
        for (long end = offset + length; offset < end && extents.Count < maxExtents;)
        {
            long index = offset / extentBytes;
            long next = Math.Min((index + 1) * extentBytes, end);
            extents.Add(new Extent(next - offset, statuses[index % statuses.Length]));
            offset = next;
        }
    }
}
