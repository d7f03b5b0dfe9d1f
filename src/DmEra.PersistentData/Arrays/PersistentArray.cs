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
/// Full blocks that are equal from the beginning are one block, which the index names many times: its reference count
/// says how often, and the first change of an entry copies the block for that entry, as for everything that is shared.
/// <para>When the kernel shrinks an array to whole blocks, and only the rest in the last block goes, it leaves that block
/// in the index. Nothing here looks behind the end, and <see cref="Resize"/> removes such a block. An operation
/// that throws leaves a transaction that must be rolled back. Belongs to the thread that owns the metadata.</para>
/// </remarks>
/// <typeparam name="TValue">A packed struct that refers to no metadata block.</typeparam>
/// <param name="transactions">Where the blocks are.</param>
public sealed class PersistentArray<TValue>(TransactionManager transactions)
    where TValue : unmanaged
{
    private readonly BTree<Le64> _index = new(transactions, new BlockReferences(transactions));

    /// <summary>Values in every block but the last.</summary>
    public int EntriesPerBlock { get; } = ArrayShape.ValuesPerBlock<TValue>();

    /// <summary>Makes an array of equal values.</summary>
    /// <param name="count">Its length.</param>
    /// <param name="value">What its entries are.</param>
    /// <returns>Address of the root. The caller owns the reference.</returns>
    /// <exception cref="MetadataFullException">There is no free metadata block.</exception>
    public ulong Create(uint count, TValue value) => _index.Build(BlocksFor(count), NewBlocks(0, count, value));

    /// <summary>How many metadata blocks <see cref="Create"/> allocates: the index, one for all full blocks, and one for a
    /// shorter last one.</summary>
    public ulong BlocksToCreate(uint count)
    {
        (uint full, uint tail) = Locate(count);
        return BTree<Le64>.NodesToBuild(BlocksFor(count)) + (full > 0 ? 1u : 0) + (tail > 0 ? 1u : 0);
    }

    /// <summary>Nodes of the index on the way to a block: 1 when the index is a single node.</summary>
    /// <exception cref="MetadataCorruptException">The index is damaged.</exception>
    public uint IndexLevels(ulong root) => _index.Levels(root);

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
        if (!_index.TryLookup(root, blockIndex, out Le64 address)) throw NoBlock(root, blockIndex);

        ReadBlock block = transactions.Read(address, ArrayBlockValidator.Instance);
        if (ArrayBlockHeader.Holds<TValue>(block.Data, count)) return new ReadArrayBlock<TValue>(block, count);

        block.Dispose();
        throw Unfit(address, count);
    }

    /// <summary>How many blocks of the array in a row, from this one on, are one and the same: at least 1. There may be more
    /// of them than are counted.</summary>
    /// <param name="root">The array.</param>
    /// <param name="blockIndex">Number of the block in the array.</param>
    /// <exception cref="MetadataCorruptException">There is no such block, or the index is damaged.</exception>
    public uint RunLength(ulong root, uint blockIndex) =>
        _index.TryLookupRun(root, blockIndex, out _, out uint length) ? length : throw NoBlock(root, blockIndex);

    /// <summary>Makes full blocks hold nothing but one value: they become one block, without being looked at.</summary>
    /// <param name="root">The array.</param>
    /// <param name="firstBlock">The first one.</param>
    /// <param name="endBlock">The one behind the last one.</param>
    /// <param name="value">What their entries are from now on.</param>
    /// <returns>Address of the new root.</returns>
    /// <exception cref="MetadataCorruptException">There are no such blocks, the last one is not full, or a node of the index
    /// is damaged.</exception>
    /// <exception cref="MetadataFullException">There is no free metadata block.</exception>
    public ulong Fill(ulong root, uint firstBlock, uint endBlock, TValue value)
    {
        ReadBlock(root, endBlock - 1, EntriesPerBlock).Dispose();     // only the last one can be shorter

        // What was filled last may go on here; and what is filled anew may hold the value already.
        bool isFound = (firstBlock > 0 && TryFindBlockOf(value, root, firstBlock - 1, out ulong shared))
            || TryFindBlockOf(value, root, firstBlock, out shared);
        if (!isFound) shared = CreateBlock(EntriesPerBlock, value);
        for (uint next = firstBlock; next < endBlock;) next = PointAt(shared, ref root, next, endBlock);
        if (!isFound) transactions.Dec(shared);     // the reference that it was made with
        return root;
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
        uint kept = Math.Min(oldCount, newCount);
        if (BlocksFor(kept) != BlocksFor(newCount) || HasBlocksFrom(root, BlocksFor(kept)))
            root = Reindex(root, BlocksFor(kept), newCount, value);

        (uint lastBlock, uint tail) = Locate(kept);
        return tail == 0 || oldCount == newCount ? root : Refill(root, lastBlock, (int)tail, ArrayShape.ValuesIn<TValue>(lastBlock, newCount), value);
    }

    /// <summary>Gives up the caller's reference to an array.</summary>
    /// <exception cref="MetadataCorruptException">A node of the index is damaged.</exception>
    public void Delete(ulong root) => _index.Delete(root);

    private bool HasBlocksFrom(ulong root, uint firstBlock) => _index.TryHighest(root, out ulong last) && last >= firstBlock;

    /// <summary>Makes the index anew: one entry after the other would take a long time where many blocks come or go.</summary>
    private ulong Reindex(ulong root, uint kept, uint newCount, TValue value)
    {
        ulong reindexed = _index.Build(BlocksFor(newCount), KeptBlocks(root, kept).Concat(NewBlocks(kept, newCount, value)));
        _index.Delete(root);
        return reindexed;
    }

    private IEnumerable<(Le64 Block, uint Times)> KeptBlocks(ulong root, uint end)
    {
        for (uint next = 0; next < end;)
        {
            if (!_index.TryLookupRun(root, next, out Le64 block, out uint length)) throw NoBlock(root, next);
            length = Math.Min(length, end - next);
            transactions.Inc(block, length);
            yield return (block, length);
            next += length;
        }
    }

    private IEnumerable<(Le64 Block, uint Times)> NewBlocks(uint firstBlock, uint count, TValue value)
    {
        uint full = count / (uint)EntriesPerBlock;
        if (full > firstBlock)
        {
            ulong shared = CreateBlock(EntriesPerBlock, value);
            uint times = full - firstBlock;
            transactions.Inc(shared, times - 1);
            yield return (shared, times);
        }

        if (BlocksFor(count) > Math.Max(full, firstBlock)) yield return (CreateBlock(ArrayShape.ValuesIn<TValue>(full, count), value), 1);
    }

    private bool TryFindBlockOf(TValue value, ulong root, uint blockIndex, out ulong address)
    {
        address = 0;
        if (!_index.TryLookup(root, blockIndex, out Le64 found)) return false;
        using ReadBlock block = transactions.Read(found, ArrayBlockValidator.Instance);
        if (!ArrayBlockHeader.HoldsOnly(block.Data, value)) return false;
        address = found;
        return true;
    }

    /// <summary>Points index entries at a block, those of one node of the index.</summary>
    /// <returns>The entry that comes next.</returns>
    private uint PointAt(ulong shared, ref ulong root, uint first, uint end)
    {
        using WriteBlock node = _index.ShadowEntry(ref root, first, out int slot);
        var leaf = new WriteNode(node.Data);
        int count = (int)Math.Min((uint)(leaf.Count - slot), end - first);
        if (leaf.Keys[slot + count - 1] != first + (ulong)count - 1) throw NoBlock(root, first);
        Span<Le64> entries = leaf.Values<Le64>().Slice(slot, count);
        transactions.Inc(shared, (uint)count);      // first: they may be what keeps it alive
        for (Span<Le64> left = entries; !left.IsEmpty;)
        {
            int run = left.IndexOfAnyExcept(left[0]);
            if (run < 0) run = left.Length;
            transactions.Dec(left[0], (uint)run);
            left = left[run..];
        }

        entries.Fill(shared);
        return first + (uint)count;
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

    private static uint BlocksFor(uint count) => (uint)ArrayShape.BlocksFor<TValue>(count);

    private static MetadataCorruptException NoBlock(ulong root, uint blockIndex) => Damaged(root, $"array has no block {blockIndex}");

    private static MetadataCorruptException Unfit(ulong address, int count) =>
        Damaged(address, $"array block does not hold {count} values of {Unsafe.SizeOf<TValue>()} bytes");

    private static MetadataCorruptException Damaged(ulong block, string cause) =>
        new(block, cause, MetadataCorruption.Damaged);
}
