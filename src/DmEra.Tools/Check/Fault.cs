using DmEra.Target.History;

namespace DmEra.Tools.Check;

/// <summary>How bad a fault is.</summary>
public enum FaultLevel
{
    /// <summary>Untidy; nobody is misled by it.</summary>
    Cosmetic,

    /// <summary>Space of the metadata device is lost, or its accounts are wrong; what is recorded is right.</summary>
    Leak,

    /// <summary>A block is unreadable or contradicts others: something recorded is lost or cannot be relied on.</summary>
    Damage,
}

/// <summary>The lists of changed blocks that metadata can give.</summary>
[Flags]
public enum ChangeLists
{
    /// <summary>Neither.</summary>
    None = 0,

    /// <summary>That of the live metadata.</summary>
    Live = 1,

    /// <summary>That of the metadata snapshot.</summary>
    Snapshot = 2,
}

/// <summary>Eras in a row.</summary>
/// <param name="First">The first.</param>
/// <param name="Last">The last.</param>
public readonly record struct EraRange(uint First, uint Last)
{
    /// <summary>All eras there were; before the first one there are none.</summary>
    internal static EraRange? UpTo(uint current) => current == 0 ? null : new EraRange(1, current);
}

/// <summary>Something wrong with metadata.</summary>
/// <param name="Level">How bad it is.</param>
/// <param name="Place">The structure it is in, as in "writeset of era 5".</param>
/// <param name="Cause">What is wrong.</param>
/// <param name="Path">The metadata blocks that lead to it, the superblock first, the faulty one last.</param>
public sealed record Fault(FaultLevel Level, string Place, string Cause, IReadOnlyList<ulong> Path)
{
    /// <summary>The lists that can no longer be relied on.</summary>
    public ChangeLists InDoubt { get; init; }

    /// <summary>The origin blocks of which the lists may be wrong; null = none.</summary>
    public BlockRange? Blocks { get; init; }

    /// <summary>The eras whose writes may be missing; null = none, or it is not known which.</summary>
    public EraRange? Eras { get; init; }

    /// <summary>True when nothing depends on blocks behind the end of the origin; writesets may be longer.</summary>
    internal bool EndsWithOrigin { get; init; }

    /// <summary>One fault for two of the same cause, of which this concerns the blocks behind those of the other; null when they are
    /// two.</summary>
    internal Fault? TryGoOnFrom(Fault other)
    {
        if (Blocks is not BlockRange blocks || other.Blocks is not BlockRange before || before.End != blocks.Begin) return null;
        Fault both = this with { Blocks = new BlockRange(before.Begin, blocks.End), Path = other.Path };
        return other with { Blocks = both.Blocks } == both && other.Path.SequenceEqual(Path) ? both : null;
    }
}
