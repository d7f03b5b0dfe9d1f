using System.Buffers.Binary;
using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.BTrees;
using DmEra.PersistentData.Transactions;

namespace DmEra.Tests.PersistentData.BTrees;

/// <summary>A value of 12 bytes that keeps a tree alive, as the values of the writeset tree do.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly struct OwnedBlock(uint number, ulong root)
{
    public readonly Le32 Number = number;
    public readonly Le64 Root = root;

    /// <summary>Follows the value's pointer, for an audit.</summary>
    public static void Walk(TreeAudit audit, byte[] value) =>
        audit.Tree(BinaryPrimitives.ReadUInt64LittleEndian(value.AsSpan(4)), valueSize: 8);
}

/// <summary>Makes such values, and counts what they keep alive.</summary>
internal sealed class OwnedBlocks(TransactionManager transactions) : IRefCounter<OwnedBlock>
{
    private readonly BTree<Le64> _trees = new(transactions, new NoReferences<Le64>());

    public OwnedBlock Create(uint number) => new(number, _trees.CreateEmpty());

    public void Inc(in OwnedBlock value, uint times) => transactions.Inc(value.Root, times);

    public void Dec(in OwnedBlock value, uint times)
    {
        for (; times > 0; times--) _trees.Delete(value.Root);
    }

    public bool AreEqual(in OwnedBlock left, in OwnedBlock right) =>
        left.Number == right.Number && left.Root == right.Root;
}
