namespace DmEra.Devices;

/// <summary>A run of bytes that share one status.</summary>
/// <param name="Length">Bytes, more than 0.</param>
/// <param name="Status">What it means is the context's: flags or a number.</param>
public readonly record struct Extent(long Length, ulong Status);

/// <summary>
/// Something that can be told of a device beyond its bytes: which ranges are holes, which were written since when.
/// (NBD calls it a metadata context.) One answer is consistent in itself; the device may be in use meanwhile.
/// </summary>
public interface IBlockStatusContext
{
    /// <summary>The name that clients ask for, as in <c>base:allocation</c>.</summary>
    string Name { get; }

    /// <summary>Appends the extents that cover the range from <paramref name="offset"/> on, in order and without
    /// gaps, neighbours differing: at least one, at most <paramref name="maxExtents"/>; the last one ends at
    /// or before <c>offset + length</c>.</summary>
    /// <exception cref="DeviceException">The status cannot be read.</exception>
    void Describe(long offset, long length, int maxExtents, List<Extent> extents);
}

/// <summary>The block-status contexts of a device.</summary>
public interface IBlockStatusCatalog
{
    /// <summary>The names worth listing.</summary>
    IReadOnlyList<string> Names { get; }

    /// <summary>Finds a context, also one that is not listed; null when there is none of that name.</summary>
    IBlockStatusContext? Find(string name);
}
