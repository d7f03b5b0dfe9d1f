using System.Runtime.CompilerServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;
using DmEra.PersistentData.Transactions;

namespace DmEra.PersistentData.Arrays;

/// <summary>
/// Copy-on-write arrays of plain values, in blocks of a thousand or so that a B-tree finds by their number (kernel:
/// dm-array.c). Every block but the last is full. The object has no state of its own: every operation takes the
/// address of a root, those that change the array give back the new one, which takes over the caller's reference to
/// the old. The length is not stored with the array: its owner keeps it.
/// </summary>
/// <remarks>
/// The kernel leaves a stray block behind the end when it shrinks an array to a multiple of the block's capacity
/// with the tail being all that goes. Nothing here looks behind the end, and <see cref="Resize"/> removes such a block.
/// An operation that throws leaves a transaction that must be rolled back. Belongs to the thread that owns the
/// metadata.
/// </remarks>
/// <typeparam name="TValue">A packed struct that refers to no metadata block.</typeparam>
/// <param name="transactions">Where the blocks are.</param>
public sealed class PersistentArray<TValue>(TransactionManager transactions)
    where TValue : unmanaged
{
    private readonly BTree<Le64> _index = new(transactions, new BlockReferences(transactions));

    /// <summary>Values in every block but the last.</summary>
    public int EntriesPerBlock { get; } = ArrayBlockHeader.CapacityFor(Unsafe.SizeOf<TValue>());

    /// <summary>Makes an array without values.</summary>
    /// <returns>Address of the root. The caller owns the reference.</returns>
    public ulong CreateEmpty() => _index.CreateEmpty();

    /// <summary>Reads one value.</summary>
    /// <exception cref="MetadataCorruptException">There is no such value, or a block is damaged.</exception>
    public TValue Get(ulong root, uint index)
    {
        (uint blockIndex, uint slot) = Locate(index);
        using ReadArrayBlock<TValue> block = ReadBlock(root, blockIndex);
        return slot < block.Values.Length ? block.Values[(int)slot] : throw NoValue(root, index);
    }

    /// <summary>Changes one value.</summary>
    /// <returns>Address of the new root.</returns>
    /// <exception cref="MetadataCorruptException">There is no such value, or a block is damaged.</exception>
    /// <exception cref="MetadataFullException">There is no free metadata block.</exception>
    public ulong Set(ulong root, uint index, TValue value)
    {
        (uint blockIndex, uint slot) = Locate(index);
        using WriteArrayBlock<TValue> block = WriteBlock(ref root, blockIndex);
        if (slot >= block.Count) throw NoValue(root, index);
        block.Values[(int)slot] = value;
        return root;
    }

    /// <summary>Reads the values from <paramref name="blockIndex"/> * <see cref="EntriesPerBlock"/> on.</summary>
    /// <returns>To be disposed before the array changes.</returns>
    /// <exception cref="MetadataCorruptException">There is no such block, or it is damaged.</exception>
    public ReadArrayBlock<TValue> ReadBlock(ulong root, uint blockIndex)
    {
        if (!_index.TryLookup(root, blockIndex, out Le64 address)) throw NoBlock(root, blockIndex);
        ReadBlock block = transactions.Read(address, ArrayBlockValidator.Instance);
        if (ArrayBlockHeader.Fits<TValue>(block.Data)) return new ReadArrayBlock<TValue>(block);

        block.Dispose();
        throw NotOfThisArray(address);
    }

    /// <summary>Gets the values from <paramref name="blockIndex"/> * <see cref="EntriesPerBlock"/> on for
    /// change.</summary>
    /// <param name="root">The array; if the block must move for the change, the root does, too.</param>
    /// <param name="blockIndex">Number of the block in the array.</param>
    /// <returns>To be disposed before anything else is done with the array.</returns>
    /// <exception cref="MetadataCorruptException">There is no such block, or it is damaged.</exception>
    /// <exception cref="MetadataFullException">There is no free metadata block.</exception>
    public WriteArrayBlock<TValue> WriteBlock(ref ulong root, uint blockIndex)
    {
        // The block is treated as one more level of the tree. Above it everything is this transaction's own by now, and
        // has been counted: shadowing it in its place in the leaf leaves its count right, whoever shared it.
        using WriteBlock leaf = _index.ShadowEntry(ref root, blockIndex, out int index);
        ref Le64 address = ref new WriteNode(leaf.Data).Values<Le64>()[index];
        WriteBlock block = transactions.Shadow(address, ArrayBlockValidator.Instance, out _);
        if (!ArrayBlockHeader.Fits<TValue>(block.Data))
        {
            block.Dispose();
            throw NotOfThisArray(address);
        }

        address = block.Address;
        return new WriteArrayBlock<TValue>(block);
    }

    /// <summary>Makes the array longer or shorter.</summary>
    /// <param name="root">The array.</param>
    /// <param name="oldCount">Its length so far.</param>
    /// <param name="newCount">Its length from now on.</param>
    /// <param name="value">What new entries are.</param>
    /// <returns>Address of the new root.</returns>
    /// <exception cref="MetadataCorruptException">A block is missing or damaged.</exception>
    /// <exception cref="MetadataFullException">There is no free metadata block.</exception>
    public ulong Resize(ulong root, uint oldCount, uint newCount, TValue value)
    {
        root = RemoveBlocksFrom(root, BlocksFor(Math.Min(oldCount, newCount)));
        return newCount < oldCount ? CutTail(root, newCount) : Grow(root, oldCount, newCount, value);
    }

    /// <summary>Gives up the caller's reference to an array.</summary>
    /// <exception cref="MetadataCorruptException">A node of the index is damaged.</exception>
    public void Delete(ulong root) => _index.Delete(root);

    private ulong RemoveBlocksFrom(ulong root, uint firstBlock)
    {
        while (_index.TryHighest(root, out ulong last, out _) && last >= firstBlock) root = _index.Remove(root, last);
        return root;
    }

    private ulong CutTail(ulong root, uint newCount)
    {
        (uint lastBlock, uint tail) = Locate(newCount);
        if (tail == 0) return root;

        using WriteArrayBlock<TValue> block = WriteBlock(ref root, lastBlock);
        if (block.Count < tail) throw NoValue(root, newCount - 1);
        block.Truncate((int)tail);
        return root;
    }

    private ulong Grow(ulong root, uint oldCount, uint newCount, TValue value)
    {
        (uint lastBlock, uint tail) = Locate(oldCount);
        if (tail > 0 && newCount > oldCount)
        {
            using WriteArrayBlock<TValue> block = WriteBlock(ref root, lastBlock);
            if (block.Count < tail) throw NoValue(root, oldCount - 1);
            block.Truncate((int)tail);
            block.ExtendTo(CountIn(lastBlock, newCount), value);
        }

        for (uint k = BlocksFor(oldCount); k < BlocksFor(newCount); k++)
            root = _index.Insert(root, k, CreateBlock(CountIn(k, newCount), value));
        return root;
    }

    private Le64 CreateBlock(int count, TValue value)
    {
        using WriteBlock block = transactions.NewBlock(ArrayBlockValidator.Instance);
        ArrayBlockHeader.Format<TValue>(block.Data);
        new WriteArrayBlock<TValue>(block).ExtendTo(count, value);
        return block.Address;
    }

    private (uint Block, uint Slot) Locate(uint index) => Math.DivRem(index, (uint)EntriesPerBlock);

    private uint BlocksFor(uint count)
    {
        (uint full, uint tail) = Locate(count);
        return tail == 0 ? full : full + 1;
    }

    /// <summary>How many of the first <paramref name="count"/> values are in a block.</summary>
    private int CountIn(uint blockIndex, uint count) =>
        (int)Math.Min(count - (blockIndex * (uint)EntriesPerBlock), (uint)EntriesPerBlock);

    private static MetadataCorruptException NoValue(ulong root, uint index) =>
        Damaged(root, $"array has no value {index}");

    private static MetadataCorruptException NoBlock(ulong root, uint blockIndex) =>
        Damaged(root, $"array has no block {blockIndex}");

    private static MetadataCorruptException NotOfThisArray(ulong address) =>
        Damaged(address, $"array block whose values are not of {Unsafe.SizeOf<TValue>()} bytes");

    private static MetadataCorruptException Damaged(ulong block, string cause) =>
        new(block, cause, MetadataCorruption.Damaged);
}
