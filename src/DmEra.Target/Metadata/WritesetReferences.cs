using DmEra.PersistentData.Bitsets;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;
using DmEra.PersistentData.Transactions;

namespace DmEra.Target.Metadata;

/// <summary>What the values of the writeset tree keep alive: a bitset each (kernel: <c>ws_inc</c>, <c>ws_dec</c>,
/// <c>ws_eq</c>).</summary>
internal sealed class WritesetReferences(TransactionManager transactions, PersistentBitset bitsets)
    : IRefCounter<WritesetRecord>
{
    public void Inc(in WritesetRecord value, uint times) => transactions.Inc(RootOf(value), times);

    public void Dec(in WritesetRecord value, uint times)
    {
        for (; times > 0; times--) bitsets.Delete(RootOf(value));
    }

    public bool AreEqual(in WritesetRecord left, in WritesetRecord right) =>
        left.NrBits == right.NrBits && left.Root == right.Root;

    // 0 means "none", and would count pointers to the superblock.
    private static ulong RootOf(in WritesetRecord value) =>
        value.Root != 0
            ? value.Root
            : throw new MetadataCorruptException(
                Superblock.Location, "a writeset in the tree has no bitset", MetadataCorruption.Damaged);
}
