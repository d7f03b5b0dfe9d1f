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
/// When the kernel shrinks an array to whole blocks, and only the rest in the last block goes, it leaves that block
/// in the index. Nothing here looks behind the end, and <see cref="Resize"/> removes such a block. An operation
/// that throws leaves a transaction that must be rolled back. Belongs to the thread that owns the metadata.
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
        using ReadArrayBlock<TValue> block = ReadBlock(root, blockIndex, (int)slot + 1);
        return block.Values[^1];
    }

    /// <summary>Changes one value.</summary>
    /// <returns>Address of the new root.</returns>
    /// <exception cref="MetadataCorruptException">There is no such value, or a block is damaged.</exception>
    /// <exception cref="MetadataFullException">There is no free metadata block.</exception>
    public ulong Set(ulong root, uint index, TValue value)
    {
        (uint blockIndex, uint slot) = Locate(index);
        using WriteArrayBlock<TValue> block = WriteBlock(ref root, blockIndex, (int)slot + 1);
        block.Values[^1] = value;
        return root;
    }

    /// <summary>Reads the values from <paramref name="blockIndex"/> * <see cref="EntriesPerBlock"/> on.</summary>
    /// <param name="root">The array.</param>
    /// <param name="blockIndex">Number of the block in the array.</param>
    /// <param name="count">How many values are needed; they must be there.</param>
    /// <returns>To be disposed before the array changes.</returns>
    /// <exception cref="MetadataCorruptException">There are no such values, or a block is damaged.</exception>
    public ReadArrayBlock<TValue> ReadBlock(ulong root, uint blockIndex, int count)
    {
        if (!_index.TryLookup(root, blockIndex, out Le64 address))
            throw Damaged(root, $"array has no block {blockIndex}");

        ReadBlock block = transactions.Read(address, ArrayBlockValidator.Instance);
        if (ArrayBlockHeader.Holds<TValue>(block.Data, count)) return new ReadArrayBlock<TValue>(block, count);

        block.Dispose();
        throw Unfit(address, count);
    }

    /// <summary>Gets the values from <paramref name="blockIndex"/> * <see cref="EntriesPerBlock"/> on for
    /// change.</summary>
    /// <param name="root">The array; if the block must move for the change, the root does, too.</param>
    /// <param name="blockIndex">Number of the block in the array.</param>
    /// <param name="count">How many values are needed; they must be there.</param>
    /// <returns>To be disposed before anything else is done with the array.</returns>
    /// <exception cref="MetadataCorruptException">There are no such values, or a block is damaged.</exception>
    /// <exception cref="MetadataFullException">There is no free metadata block.</exception>
    public WriteArrayBlock<TValue> WriteBlock(ref ulong root, uint blockIndex, int count) =>
        new(Shadow(ref root, blockIndex, count), count);

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
        while (_index.TryHighest(root, out ulong last) && last >= firstBlock) root = _index.Remove(root, last);
        return root;
    }

    private ulong CutTail(ulong root, uint newCount)
    {
        (uint lastBlock, uint tail) = Locate(newCount);
        return tail == 0 ? root : Refill(root, lastBlock, (int)tail, (int)tail, default);
    }

    private ulong Grow(ulong root, uint oldCount, uint newCount, TValue value)
    {
        (uint lastBlock, uint tail) = Locate(oldCount);
        if (tail > 0 && newCount > oldCount)
            root = Refill(root, lastBlock, (int)tail, CountIn(lastBlock, newCount), value);

        for (uint k = BlocksFor(oldCount); k < BlocksFor(newCount); k++)
            root = _index.Insert(root, k, CreateBlock(CountIn(k, newCount), value));
        return root;
    }

    private ulong Refill(ulong root, uint blockIndex, int kept, int count, TValue value)
    {
        using WriteBlock block = Shadow(ref root, blockIndex, kept);
        ArrayBlockHeader.Refill(block.Data, kept, count, value);
        return root;
    }

    private Le64 CreateBlock(int count, TValue value)
    {
        using WriteBlock block = transactions.NewBlock(ArrayBlockValidator.Instance);
        ArrayBlockHeader.Format<TValue>(block.Data);
        ArrayBlockHeader.Refill(block.Data, 0, count, value);
        return block.Address;
    }

    /// <summary>Gets a block for change as if it were one more level of the index. Above it everything is this
    /// transaction's own by then, and has been counted: so its count comes out right whoever shares it.</summary>
    private WriteBlock Shadow(ref ulong root, uint blockIndex, int count)
    {
        using WriteBlock leaf = _index.ShadowEntry(ref root, blockIndex, out int slot);
        ref Le64 address = ref new WriteNode(leaf.Data).Values<Le64>()[slot];
        WriteBlock block = transactions.Shadow(address, ArrayBlockValidator.Instance, out _);
        if (ArrayBlockHeader.Holds<TValue>(block.Data, count))
        {
            address = block.Address;
            return block;
        }

        block.Dispose();
        throw Unfit(address, count);
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

    private static MetadataCorruptException Unfit(ulong address, int count) =>
        Damaged(address, $"array block does not hold {count} values of {Unsafe.SizeOf<TValue>()} bytes");

    private static MetadataCorruptException Damaged(ulong block, string cause) =>
        new(block, cause, MetadataCorruption.Damaged);
}
