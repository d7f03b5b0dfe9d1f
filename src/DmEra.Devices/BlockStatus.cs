namespace DmEra.Devices;

/// <summary>A run of bytes that share one status.</summary>
/// <param name="Length">Bytes, more than 0.</param>
/// <param name="Status">What it means is the context's: flags or a number.</param>
public readonly record struct Extent(long Length, uint Status);

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
    IReadOnlyCollection<string> Names { get; }

    /// <summary>Finds a context, also one that is not listed; null when there is none of that name.</summary>
    IBlockStatusContext? Find(string name);
}

/// <summary>Catalogs made of contexts, and of other catalogs.</summary>
public sealed class BlockStatusCatalog : IBlockStatusCatalog
{
    private readonly IReadOnlyList<IBlockStatusContext> _contexts;
    private readonly IReadOnlyList<IBlockStatusCatalog> _others;

    /// <summary>Puts contexts together; where names collide the first one counts.</summary>
    public BlockStatusCatalog(params IReadOnlyList<IBlockStatusContext> contexts)
        : this(contexts, [])
    {
    }

    /// <summary>Puts contexts in front of other catalogs, as a filter does with those of the device behind it.</summary>
    public BlockStatusCatalog(
        IReadOnlyList<IBlockStatusContext> contexts, IReadOnlyList<IBlockStatusCatalog> others)
    {
        _contexts = contexts;
        _others = others;
    }

    /// <inheritdoc/>
    public IReadOnlyCollection<string> Names =>
        [.. _contexts.Select(context => context.Name)
            .Concat(_others.SelectMany(other => other.Names))
            .Distinct(StringComparer.Ordinal)];

    /// <inheritdoc/>
    public IBlockStatusContext? Find(string name) =>
        _contexts.FirstOrDefault(context => string.Equals(context.Name, name, StringComparison.Ordinal))
        ?? _others.Select(other => other.Find(name)).FirstOrDefault(found => found is not null);
}
