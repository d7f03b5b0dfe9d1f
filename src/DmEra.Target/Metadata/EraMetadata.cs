using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Bitsets;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;
using DmEra.PersistentData.SpaceMaps;
using DmEra.PersistentData.Transactions;

namespace DmEra.Target.Metadata;

/// <summary>
/// The eras of a device as they are on disk: superblock, writeset tree, era array (kernel: <c>struct
/// era_metadata</c>). Everything done to it is part of a running transaction, until <see cref="Commit"/> makes it
/// durable or <see cref="Reload"/> drops it. Belongs to the one thread that owns the metadata.
/// </summary>
/// <remarks>The superblock in memory is the state: the fields of <see cref="_superblock"/> are those of the running
/// transaction, and a commit writes them as they are.</remarks>
internal sealed partial class EraMetadata
{
    private static readonly SuperblockFormat Format = new(
        SuperblockValidator.Instance,
        (int)Marshal.OffsetOf<Superblock>(nameof(Superblock.MetadataSpaceMapRoot)));

    private readonly MetadataStore _store;
    private readonly TransactionManager _transactions;
    private readonly PersistentBitset _bitsets;
    private readonly PersistentArray<Le32> _eraArray;
    private readonly BTree<WritesetRecord> _writesets;
    private Superblock _superblock;

    private EraMetadata(MetadataStore store)
    {
        _store = store;
        _transactions = store.Transactions;
        _bitsets = new PersistentBitset(_transactions);
        _eraArray = new PersistentArray<Le32>(_transactions);
        _writesets = new BTree<WritesetRecord>(_transactions, new WritesetReferences(_transactions, _bitsets));
    }

    /// <summary>The era that is open, or was archived last; 0 before the first resume.</summary>
    public uint CurrentEra => _superblock.CurrentEra;

    /// <summary>Origin blocks.</summary>
    public uint NrBlocks => _superblock.NrBlocks;

    /// <summary>Metadata block of the snapshot superblock; 0 when none is held.</summary>
    public ulong Snapshot => _superblock.MetadataSnap;

    /// <summary>Identifies the metadata; null when that is not known.</summary>
    public Guid? Lineage => _superblock.Lineage;

    /// <summary>Where its history stands.</summary>
    public MetadataState State => MetadataState.Of(_superblock);

    /// <summary>Metadata blocks that the space map manages.</summary>
    public ulong TotalBlocks => _store.SpaceMap.BlockCount;

    /// <summary>Metadata blocks that the running transaction has made: 0 when there is nothing to commit.</summary>
    public int NewBlocks => _transactions.NewBlocks;

    /// <summary>Metadata blocks in use.</summary>
    public ulong UsedBlocks => _store.SpaceMap.UsedBlocks;

    /// <summary>Opens a metadata device, or formats one whose first block is all zeroes.</summary>
    /// <param name="device">The device; it stays the caller's.</param>
    /// <param name="cacheBlocks">Metadata blocks kept in memory.</param>
    /// <param name="dataBlockSize">Sectors of an origin block, which existing metadata must agree with.</param>
    /// <param name="lineage">The uuid of metadata that is made anew.</param>
    /// <exception cref="MetadataException">It is no era metadata, damaged, made for another block size, or too
    /// small.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public static EraMetadata OpenOrFormat(IBlockDevice device, int cacheBlocks, uint dataBlockSize, Guid lineage)
    {
        bool isUnformatted = IsUnformatted(device);
        BlockManager blocks = new(device, cacheBlocks);
        return isUnformatted ? MakeNew(blocks, dataBlockSize, lineage) : OpenExisting(blocks, dataBlockSize);
    }

    /// <summary>Drops the running transaction, or what is left of one whose commit failed, and reads everything anew
    /// from the superblock on.</summary>
    /// <exception cref="MetadataException">What is on the device is damaged.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public void Reload()
    {
        ResetDigest();
        _store.Reload();
        ReadSuperblock();
    }

    /// <summary>Makes sure that a power cut would leave what <see cref="Reload"/> has read.</summary>
    /// <exception cref="DeviceException">The device failed.</exception>
    public void Secure() => _store.Secure();

    /// <summary>Makes the running transaction durable: all of it or nothing. After an exception nothing can be
    /// changed until <see cref="Reload"/>.</summary>
    /// <exception cref="MetadataFullException">No metadata block is free; nothing was committed.</exception>
    /// <exception cref="MetadataException">An earlier commit failed.</exception>
    /// <exception cref="DeviceException">The device failed; it is unknown whether this is committed.</exception>
    public void Commit() => _store.Commit(block => MemoryMarshal.Write(block, in _superblock));

    /// <summary>Keeps the state last committed readable until <see cref="Unpin"/>. From any thread.</summary>
    /// <param name="pin">What to give back.</param>
    /// <returns>Its superblock.</returns>
    public Superblock Pin(out long pin)
    {
        byte[] superblock = new byte[BlockManager.BlockSize];
        pin = _store.Pin(superblock);
        return MemoryMarshal.Read<Superblock>(superblock);
    }

    /// <summary>A reader has done with what <see cref="Pin"/> kept for it. From any thread.</summary>
    public void Unpin(long pin) => _store.Unpin(pin);

    private static bool IsUnformatted(IBlockDevice device)
    {
        Span<byte> block = new byte[BlockManager.BlockSize];
        Span<byte> present = block[..(int)Math.Min(device.Length, block.Length)];
        device.Read(0, present);
        if (present.ContainsAnyExcept((byte)0))
        {
            return present.Length == block.Length
                ? false
                : throw Damaged($"{present.Length} bytes are no era metadata");
        }

        // An empty file is as good as one of zeroes: space is made as it is needed.
        return true;
    }

    private static EraMetadata MakeNew(BlockManager blocks, uint dataBlockSize, Guid lineage)
    {
        EraMetadata metadata = new(MetadataStore.Create(blocks, Format));
        metadata._superblock = new Superblock
        {
            Magic = Superblock.ExpectedMagic,
            Version = Superblock.SupportedVersion,
            DataBlockSize = dataBlockSize,
            MetadataBlockSize = Superblock.ExpectedMetadataBlockSize,
            WritesetTreeRoot = metadata._writesets.CreateEmpty(),
            EraArrayRoot = metadata._eraArray.Create(0, 0),
        };
        lineage.TryWriteBytes(metadata._superblock.Uuid);
        metadata.Commit();
        return metadata;
    }

    private static EraMetadata OpenExisting(BlockManager blocks, uint dataBlockSize)
    {
        EraMetadata metadata = new(MetadataStore.Open(blocks, Format));
        metadata.ReadSuperblock();
        uint found = metadata._superblock.DataBlockSize;
        return found == dataBlockSize
            ? metadata
            : throw new MetadataCorruptException(
                Superblock.Location,
                $"changing the data block size (from {found} to {dataBlockSize}) is not supported; "
                    + $"the block size of this metadata is {found} sectors",
                MetadataCorruption.Unsupported);
    }

    private void ReadSuperblock()
    {
        using ReadBlock block = _transactions.Read(Superblock.Location, SuperblockValidator.Instance);
        _superblock = MemoryMarshal.Read<Superblock>(block.Data);
        if (_superblock.MetadataBlockSize != Superblock.ExpectedMetadataBlockSize)
            throw Damaged($"metadata block size is {_superblock.MetadataBlockSize} sectors, not 8");
        if (_superblock.NrBlocks > int.MaxValue) throw Damaged($"{_superblock.NrBlocks} origin blocks are too many");
    }

    private static MetadataCorruptException Damaged(string cause) =>
        new(Superblock.Location, $"superblock: {cause}", MetadataCorruption.Damaged);
}
