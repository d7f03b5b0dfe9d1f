using DmEra.PersistentData.Reading;

namespace DmEra.Tools.Check;

/// <summary>What all parts of one check share.</summary>
/// <param name="Reader">Reads blocks.</param>
/// <param name="Ledger">Counts pointers.</param>
/// <param name="Faults">Collects faults.</param>
internal sealed record Inspection(MetadataReader Reader, BlockLedger Ledger, FaultLog Faults)
{
    /// <summary>True when some pointers could not be followed up, so that blocks nobody seems to use may be in use.</summary>
    public bool IsIncomplete { get; set; }

    /// <summary>Follows pointers, and logs when they lead astray.</summary>
    /// <param name="tree">The structure that they belong to.</param>
    /// <param name="use">What they should lead to.</param>
    /// <param name="block">Where they lead.</param>
    /// <param name="count">How many there are in a row.</param>
    /// <param name="owner">The block they lie in.</param>
    /// <param name="firstKey">First key of what is behind it.</param>
    /// <param name="endKey">Key behind the last one of it.</param>
    /// <returns>true when the block is to be looked at now; otherwise it has been, or cannot be.</returns>
    public bool Enter(WalkedTree tree, BlockUse use, ulong block, uint count, ulong owner, ulong firstKey, ulong endKey)
    {
        Arrival arrival = Ledger.Follow(block, count, owner, use, tree.List);
        if (arrival == Arrival.Clash)
            Lose(tree.Hiding($"points at block {block}, which is in use elsewhere", Ledger.PathTo(owner), firstKey, endKey));
        else if (arrival == Arrival.Outside)
            Lose(tree.Hiding($"points at block {block} of {Ledger.BlockCount}", Ledger.PathTo(owner), firstKey, endKey));
        return arrival is Arrival.First or Arrival.Again;
    }

    /// <summary>Logs a node that cannot be read.</summary>
    /// <param name="tree">The structure that it belongs to.</param>
    /// <param name="fault">What is wrong with it.</param>
    /// <param name="node">Where it is.</param>
    /// <param name="firstKey">First key of what is behind it.</param>
    /// <param name="endKey">Key behind the last one of it.</param>
    public void Lose(WalkedTree tree, Exception fault, ulong node, ulong firstKey, ulong endKey) =>
        Lose(tree.Hiding(FaultLog.CauseOf(fault), Ledger.PathTo(node), firstKey, endKey));

    /// <summary>Logs a fault that keeps from going on behind it.</summary>
    public void Lose(Fault fault)
    {
        IsIncomplete = true;
        Faults.Add(fault);
    }
}
