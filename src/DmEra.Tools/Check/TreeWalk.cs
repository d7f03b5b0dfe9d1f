using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;
using DmEra.Target.History;

namespace DmEra.Tools.Check;

/// <summary>Receives what a walk over a tree comes by, in ascending order of the keys.</summary>
internal interface ITreeVisitor<TValue>
    where TValue : unmanaged
{
    /// <summary>The entries of a leaf.</summary>
    void VisitLeaf(ulong leaf, ReadOnlySpan<ulong> keys, ReadOnlySpan<TValue> values);

    /// <summary>Keys that were passed over: they cannot be read, or were visited with the other state.</summary>
    void PassOver(ulong firstKey, ulong endKey);
}

/// <summary>Walks over a whole B-tree, whatever state it is in: counts every pointer, visits every node once, logs what
/// is wrong with it, and goes on with the next.</summary>
internal sealed class TreeWalk<TValue>(Inspection inspection, WalkedTree tree, ITreeVisitor<TValue> visitor)
    where TValue : unmanaged
{
    private int _leafDepth;     // of the first leaf; 0 = none met

    /// <summary>Walks over the tree below a root.</summary>
    /// <param name="root">The root.</param>
    /// <param name="owner">The block that points at it.</param>
    public void Run(ulong root, ulong owner) => Visit(root, owner, 0, ulong.MaxValue, 1);

    private void Visit(ulong address, ulong owner, ulong firstKey, ulong endKey, int depth)
    {
        if (!inspection.Enter(tree, tree.NodeUse, address, owner, firstKey, endKey))
        {
            visitor.PassOver(firstKey, endKey);
            return;
        }

        if (!TryRead(address, firstKey, endKey, depth, out ReadNode node, out string cause))
        {
            inspection.Lose(tree.Hiding(cause, inspection.Ledger.PathTo(address), firstKey, endKey));
            visitor.PassOver(firstKey, endKey);
            return;
        }

        // Copies: the reader's buffer is about to be used for what lies below.
        ulong[] keys = MemoryMarshal.Cast<Le64, ulong>(node.Keys).ToArray();
        if (node.IsLeaf)
        {
            TValue[] values = node.Values<TValue>().ToArray();
            CheckDepth(address, depth);
            visitor.VisitLeaf(address, keys, values);
            return;
        }

        ulong[] children = MemoryMarshal.Cast<Le64, ulong>(node.Children).ToArray();
        for (int i = 0; i < keys.Length; i++)
            Visit(children[i], address, keys[i], i + 1 < keys.Length ? keys[i + 1] : endKey, depth + 1);
    }

    /// <summary>Reads a node that is fit to be searched.</summary>
    private bool TryRead(
        ulong address, ulong firstKey, ulong endKey, int depth, out ReadNode node, out string cause)
    {
        node = default;
        ReadOnlySpan<byte> block;
        try
        {
            block = inspection.Reader.Read(address, BTreeNodeValidator.Instance);
        }
        catch (Exception fault) when (fault is MetadataCorruptException or DeviceException)
        {
            cause = FaultLog.CauseOf(fault);
            return false;
        }

        node = new ReadNode(block);
        cause = WhyUnfit(block, node, firstKey, endKey, depth);
        if (cause.Length > 0) return false;
        CheckTidiness(address, block, node, depth);
        return true;
    }

    /// <summary>Why a node cannot be searched; empty when it can.</summary>
    private static string WhyUnfit(ReadOnlySpan<byte> block, ReadNode node, ulong firstKey, ulong endKey, int depth)
    {
        if (!ReadNode.Fits<TValue>(block)) return $"btree node: not one with values of {Unsafe.SizeOf<TValue>()} bytes";
        if (node.Count == 0) return node.IsLeaf && depth == 1 ? "" : "btree node: empty";
        if (!node.IsLeaf && depth == TreeReader.MaxDepth) return "btree node: the tree is too deep";
        bool isInRange = node.Keys[0] >= firstKey && node.Keys[^1] < endKey;
        return isInRange ? "" : "btree node: keys out of the parent's range";
    }

    private void CheckTidiness(ulong address, ReadOnlySpan<byte> block, ReadNode node, int depth)
    {
        ref readonly NodeHeader header = ref MemoryMarshal.AsRef<NodeHeader>(block);
        if (depth > 1 && node.Count < node.MinCount)
            Untidy($"{node.Count} entries in a node that should have at least {node.MinCount}");
        if ((header.Flags & ~(NodeHeader.InternalNode | NodeHeader.LeafNode)) != 0) Untidy($"unknown flags {header.Flags}");
        int end = Unsafe.SizeOf<NodeHeader>() + (node.Capacity * (sizeof(ulong) + (int)(uint)header.ValueSize));
        if (header.Padding != 0 || block[end..].ContainsAnyExcept((byte)0)) Untidy("unused bytes are not zero");

        void Untidy(string cause) =>
            inspection.Faults.Add(tree.Harmless(FaultLevel.Cosmetic, $"btree node: {cause}", inspection.Ledger.PathTo(address)));
    }

    private void CheckDepth(ulong address, int depth)
    {
        if (_leafDepth == 0) _leafDepth = depth;
        if (depth == _leafDepth) return;
        string cause = $"btree node: a leaf at level {depth}, others are at level {_leafDepth}";
        inspection.Faults.Add(tree.Harmless(FaultLevel.Damage, cause, inspection.Ledger.PathTo(address)));
    }
}
