using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Transactions;

namespace DmEra.PersistentData.SpaceMaps;

/// <summary>Fills in a superblock: all of it but the root of the space map, its own address and its checksum.</summary>
/// <param name="superblock">4096 zeroes.</param>
public delegate void FillSuperblock(Span<byte> superblock);

/// <summary>What the store must know of a target's superblock, which is metadata block 0.</summary>
/// <param name="Validator">What makes a block such a superblock.</param>
/// <param name="SpaceMapRootOffsetBytes">Where in it the root of the metadata space map is.</param>
public sealed record SuperblockFormat(BlockValidator Validator, int SpaceMapRootOffsetBytes);

/// <summary>
/// The metadata of one device as a whole: its blocks, their reference counts, and transactions that either happen or
/// do not. Belongs to the thread that owns the metadata, except for <see cref="Pin"/> and <see cref="Unpin"/>.
/// </summary>
/// <remarks>The rules that keep committed metadata whole: a block that it reaches is never changed in place and, until the next
/// commit, never used anew; and one write, that of the superblock, leads from one state to the next.</remarks>
public sealed class MetadataStore
{
    private const ulong SuperblockAddress = 0;

    private readonly SuperblockFormat _format;
    private readonly SpaceMapStorage _storage;
    private readonly Lock _publishing = new();      // guards _committed and _readers
    private readonly byte[] _committed = new byte[BlockManager.BlockSize];
    private readonly PinnedReaders _readers = new();

    private MetadataStore(BlockManager blocks, SuperblockFormat format)
    {
        _format = format;
        SpaceMap = new MetadataSpaceMap(blocks);
        Transactions = new TransactionManager(blocks, SpaceMap);
        _storage = new SpaceMapStorage(Transactions, SpaceMap);
    }

    /// <summary>Where blocks are made and changed.</summary>
    public TransactionManager Transactions { get; }

    /// <summary>The reference counts of all metadata blocks.</summary>
    public MetadataSpaceMap SpaceMap { get; }

    /// <summary>Begins metadata with nothing in it but a space map. The device stays as it is until
    /// <see cref="Commit"/>.</summary>
    /// <param name="blocks">The metadata device; what is on it is not looked at.</param>
    /// <param name="format">The superblock to come.</param>
    /// <exception cref="MetadataFullException">The device is too small, and cannot be made longer.</exception>
    public static MetadataStore Create(BlockManager blocks, SuperblockFormat format)
    {
        var store = new MetadataStore(blocks, format);
        store._storage.Create();
        return store;
    }

    /// <summary>Opens what is on the device.</summary>
    /// <param name="blocks">The metadata device.</param>
    /// <param name="format">The superblock expected.</param>
    /// <exception cref="MetadataCorruptException">Superblock or space map are damaged.</exception>
    public static MetadataStore Open(BlockManager blocks, SuperblockFormat format)
    {
        var store = new MetadataStore(blocks, format);
        store.Reload();
        return store;
    }

    /// <summary>Gives up the running transaction and starts again from what is on the device: the way back after a
    /// transaction or a commit that failed. What readers have pinned stays pinned.</summary>
    /// <exception cref="MetadataCorruptException">Superblock or space map are damaged.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public void Reload()
    {
        try
        {
            Transactions.Blocks.Forget();
            using ReadBlock superblock = Transactions.Blocks.Read(SuperblockAddress, _format.Validator);
            SpaceMapRoot root = MemoryMarshal.Read<SpaceMapRoot>(superblock.Data[_format.SpaceMapRootOffsetBytes..]);
            SpaceMapStorage.StoredCounts stored = _storage.Read(root);     // not under the lock: it reads the device
            lock (_publishing)
            {
                _storage.Adopt(stored, keepHeld: _readers.Any);
                superblock.Data.CopyTo(_committed);
            }

            Transactions.Begin();
        }
        catch (Exception fault)
        {
            Transactions.Fail(fault);
            throw;
        }
    }

    /// <summary>Makes sure that the state read by <see cref="Reload"/> is the one that a power cut would leave, before
    /// anything is built on it. It need not be: after a failed flush, or a crash of this program between the write
    /// of a superblock and its flush, the system's cache may have a superblock that the disk has not, and blocks that
    /// the older one needs would be used anew.</summary>
    /// <exception cref="DeviceException">The device failed: nothing may be changed until
    /// <see cref="Reload"/>.</exception>
    public void Secure()
    {
        try
        {
            // Written again, since a cache that failed to write it may take it for written.
            IBlockDevice device = Transactions.Blocks.Device;
            device.Write((long)SuperblockAddress * BlockManager.BlockSize, _committed);
            device.Flush();
        }
        catch (Exception fault)
        {
            Transactions.Fail(fault);
            throw;
        }
    }

    /// <summary>Makes the running transaction durable, and starts the next one. If that fails, whether it happened is
    /// unknown, and nothing can be changed any more until <see cref="Reload"/>.</summary>
    /// <exception cref="MetadataFullException">No block is free for the changed part of the space map.</exception>
    /// <exception cref="MetadataFailedException">An earlier commit failed.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public void Commit(FillSuperblock fill)
    {
        Transactions.ThrowIfFailed();
        try
        {
            // Counts change one last time: the space map is moved to where it will be.
            _storage.WriteOut();

            // Durable before the superblock points at it.
            Transactions.Blocks.Flush();

            WriteSuperblock(fill);
            Transactions.Blocks.Flush();

            // Only now: what the old superblock led to can be used anew, and nothing may be changed in place.
            Publish();
            Transactions.Begin();
        }
        catch (Exception fault)
        {
            Transactions.Fail(fault);
            throw;
        }
    }

    /// <summary>Holds the metadata last committed for a reader: until <see cref="Unpin"/>, none of its blocks is
    /// used anew, whatever is committed meanwhile. From any thread.</summary>
    /// <remarks>The reader reads the blocks through a block manager of its own. It should be quick: what is freed while
    /// it is there stays in use until it is gone.</remarks>
    /// <param name="superblock">4096 bytes that receive the superblock of that state; zeroes before the first commit.</param>
    /// <returns>What to give back.</returns>
    public long Pin(Span<byte> superblock)
    {
        lock (_publishing)
        {
            _committed.CopyTo(superblock);
            return _readers.Enter();
        }
    }

    /// <summary>The reader is done. Its blocks can be used anew after the next commits. From any thread.</summary>
    /// <param name="pin">What <see cref="Pin"/> returned.</param>
    public void Unpin(long pin)
    {
        lock (_publishing) _readers.Leave(pin);
    }

    private void WriteSuperblock(FillSuperblock fill)
    {
        using WriteBlock superblock = Transactions.Blocks.WriteZeroed(SuperblockAddress, _format.Validator);
        fill(superblock.Data);
        SpaceMapRoot root = _storage.Root;
        MemoryMarshal.Write(superblock.Data[_format.SpaceMapRootOffsetBytes..], in root);
    }

    private void Publish()
    {
        using ReadBlock superblock = Transactions.Blocks.Read(SuperblockAddress, _format.Validator);
        lock (_publishing)
        {
            superblock.Data.CopyTo(_committed);
            SpaceMap.Publish(_readers.AtPublication());
        }
    }
}
