using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.BTrees;

public sealed partial class BTree<TValue>
{
    /// <summary>Gives up the caller's reference to a tree. What no other tree shares is freed, and what its values
    /// keep alive is given up.</summary>
    /// <exception cref="MetadataCorruptException">A node is damaged.</exception>
    public void Delete(ulong root)
    {
        Stack<ulong> pending = new([root]);
        while (pending.TryPop(out ulong address))
        {
            // A node that others share lives on, and with it all that is below. Every node is opened at most once,
            // when its last reference goes: so this ends even if the tree leads in a circle.
            if (transactions.Count(address) == 1) GiveUpChildren(address, pending);
            transactions.Dec(address);
        }
    }

    private void GiveUpChildren(ulong address, Stack<ulong> pending)
    {
        using ReadBlock block = Read(address);
        var node = new ReadNode(block.Data);
        if (node.IsLeaf)
        {
            for (ReadOnlySpan<TValue> left = node.Values<TValue>(); !left.IsEmpty;)
            {
                int run = RunLength(left);
                refCounter.Dec(in left[0], (uint)run);
                left = left[run..];
            }
        }
        else
        {
            foreach (ulong child in node.Children) pending.Push(child);
        }
    }
}
