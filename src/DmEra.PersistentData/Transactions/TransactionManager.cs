using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.Transactions;

/// <summary>
/// Copy on write (kernel: <c>struct dm_transaction_manager</c>). Blocks that committed metadata may reach are never
/// changed: <see cref="Shadow"/> gives a copy of them, at another address. Blocks that are new in the running
/// transaction, and pointed at once, are changed in place. Belongs to the thread that owns the metadata.
/// </summary>
/// <remarks>An exception leaves the running transaction half done: it must be given up as a whole.</remarks>
/// <param name="blocks">The metadata blocks.</param>
/// <param name="spaceMap">Their reference counts.</param>
public sealed class TransactionManager(BlockManager blocks, ISpaceMap spaceMap)
{
    private readonly HashSet<ulong> _shadows = [];      // blocks new in the running transaction
    private Exception? _fault;

    /// <summary>The metadata blocks.</summary>
    public BlockManager Blocks { get; } = blocks;

    /// <summary>Their reference counts.</summary>
    public ISpaceMap SpaceMap { get; } = spaceMap;

    /// <summary>Blocks that the running transaction has made.</summary>
    public int NewBlocks => _shadows.Count;

    /// <summary>Allocates a block, all zeroes and pointed at once.</summary>
    /// <exception cref="MetadataFullException">No block is free.</exception>
    /// <exception cref="MetadataFailedException">An earlier commit failed.</exception>
    public WriteBlock NewBlock(BlockValidator type)
    {
        ThrowIfFailed();
        return AddBlock(SpaceMap.Allocate(), type);
    }

    /// <summary>Makes a block changeable: itself if nothing committed and nobody else sees it, else a copy, which takes over
    /// one of the pointers to it. The caller stores <see cref="WriteBlock.Address"/> where the old address was.</summary>
    /// <param name="address">The block to change.</param>
    /// <param name="type">Its type.</param>
    /// <param name="incChildren">True when the original lives on for others, so that there are two blocks now with
    /// the same pointers in them: the caller increments the count of everything the block points at.</param>
    /// <exception cref="MetadataCorruptException">The block is damaged, or counted as free.</exception>
    /// <exception cref="MetadataFullException">No block is free.</exception>
    /// <exception cref="MetadataFailedException">An earlier commit failed.</exception>
    public WriteBlock Shadow(ulong address, BlockValidator type, out bool incChildren)
    {
        ThrowIfFailed();
        incChildren = SpaceMap.Count(address) > 1;
        if (!incChildren && _shadows.Contains(address)) return Blocks.Write(address, type);

        using ReadBlock original = Blocks.Read(address, type);
        ulong copyAddress = SpaceMap.Allocate();    // before the original, too, may be free
        SpaceMap.Dec(address);
        WriteBlock copy = AddBlock(copyAddress, type);
        original.Data.CopyTo(copy.Data);
        return copy;
    }

    /// <summary>Leases a block for reading.</summary>
    /// <exception cref="MetadataCorruptException">The block is not whole.</exception>
    public ReadBlock Read(ulong address, BlockValidator type) => Blocks.Read(address, type);

    /// <inheritdoc cref="ISpaceMap.Count"/>
    public uint Count(ulong block) => SpaceMap.Count(block);

    /// <inheritdoc cref="ISpaceMap.Inc"/>
    public void Inc(ulong block, uint pointers = 1)
    {
        ThrowIfFailed();
        SpaceMap.Inc(block, pointers);
    }

    /// <inheritdoc cref="ISpaceMap.Dec"/>
    public void Dec(ulong block, uint pointers = 1)
    {
        ThrowIfFailed();
        SpaceMap.Dec(block, pointers);
    }

    /// <summary>The transaction is over, committed or given up: every block is copied on write again.</summary>
    internal void Begin()
    {
        _shadows.Clear();
        _fault = null;
    }

    /// <summary>Nothing may be changed any more until <see cref="Begin"/>.</summary>
    internal void Fail(Exception fault) => _fault = fault;

    internal void ThrowIfFailed()
    {
        if (_fault is not null)
            throw new MetadataFailedException("the metadata failed and must be opened anew", _fault);
    }

    /// <summary>A block's life in the running transaction begins.</summary>
    private WriteBlock AddBlock(ulong address, BlockValidator type)
    {
        _shadows.Add(address);
        return Blocks.WriteZeroed(address, type);
    }
}
