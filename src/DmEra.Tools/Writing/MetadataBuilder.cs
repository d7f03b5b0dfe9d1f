using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Bitsets;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Building;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Target.Metadata;

namespace DmEra.Tools.Writing;

/// <summary>What metadata says of the device it belongs to.</summary>
/// <param name="DataBlockSize">Size of an origin block in sectors.</param>
/// <param name="NrBlocks">Origin blocks.</param>
/// <param name="CurrentEra">The era that was archived last.</param>
public readonly record struct EraGeometry(uint DataBlockSize, uint NrBlocks, uint CurrentEra)
{
    private const uint SectorsPerMetadataBlock = 8;

    /// <summary>Whether origin blocks can be of this many sectors.</summary>
    public static bool IsPossibleBlockSize(uint sectors) => sectors != 0 && sectors % SectorsPerMetadataBlock == 0;
}

/// <summary>
/// Writes new metadata over a whole device. The first thing it does there is to make what was there plainly no
/// metadata, the last is to write the superblock: however it is interrupted, nothing half-done looks whole.
/// </summary>
internal sealed class MetadataBuilder
{
    private readonly BlockWriter _writer;
    private readonly EraGeometry _geometry;
    private readonly byte[] _writesetBuffer = new byte[ArrayBuilder<Le64>.BufferSize];
    private readonly SortedDictionary<uint, WritesetRecord> _writesets = [];
    private readonly ArrayBuilder<Le32> _eraArray;
    private ArrayBuilder<Le64>? _bitset;        // of the writeset begun last
    private uint _writesetEra;
    private uint _writesetBits;

    private MetadataBuilder(BlockWriter writer, EraGeometry geometry)
    {
        _writer = writer;
        _geometry = geometry;
        writer.RequireRoom(ArrayShape.BlocksFor<Le32>(geometry.NrBlocks));      // if it is not shared, as it may come to be
        _eraArray = new ArrayBuilder<Le32>(writer, geometry.NrBlocks, new byte[ArrayBuilder<Le32>.BufferSize]);
    }

    /// <summary>Destroys what is on the device, and sets out.</summary>
    /// <exception cref="MetadataFullException">The device is too small even for the era array; nothing was
    /// destroyed.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public static MetadataBuilder Create(IBlockDevice device, EraGeometry geometry)
    {
        // A new file gets room for what the device will record in it later: Linux does not extend metadata.
        if (device.Length == 0 && device is IExtendable extendable) extendable.TryExtend(MetadataSizing.SuggestedBytes(geometry.NrBlocks));
        MetadataBuilder builder = new(new BlockWriter(device), geometry);
        device.Write(0, new byte[BlockManager.BlockSize]);
        device.Flush();
        return builder;
    }

    /// <summary>Blocks of the era array, to be changed.</summary>
    public ArrayBuilder<Le32> EraArray => _eraArray;

    /// <summary>Begins an archived writeset; the one begun before must not be changed any more.</summary>
    /// <param name="era">An era that has none yet.</param>
    /// <param name="nrBits">Origin blocks it tells of.</param>
    /// <returns>The words of its bitset, to be changed.</returns>
    public ArrayBuilder<Le64> BeginWriteset(uint era, uint nrBits)
    {
        CompleteWriteset();
        _bitset = new ArrayBuilder<Le64>(_writer, PersistentBitset.WordsFor(nrBits), _writesetBuffer);
        _writesetEra = era;
        _writesetBits = nrBits;
        return _bitset;
    }

    /// <summary>Makes it metadata.</summary>
    /// <exception cref="MetadataFullException">The device is too small.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public void Commit()
    {
        CompleteWriteset();
        ulong eraArrayRoot = _eraArray.Complete();
        KeyValuePair<uint, WritesetRecord>[] writesets = [.. _writesets];
        ulong writesetTreeRoot = TreeBuilder.Build(
            _writer, (ulong)writesets.Length, i => (writesets[(int)i].Key, writesets[(int)i].Value));
        SpaceMapRoot spaceMapRoot = SpaceMapBuilder.Build(_writer);

        Span<byte> block = _writer.Blank();
        ref Superblock superblock = ref MemoryMarshal.AsRef<Superblock>(block);
        MemoryMarshal.Write(superblock.MetadataSpaceMapRoot, spaceMapRoot);
        superblock.Magic = Superblock.ExpectedMagic;
        superblock.Version = Superblock.SupportedVersion;
        superblock.DataBlockSize = _geometry.DataBlockSize;
        superblock.MetadataBlockSize = Superblock.ExpectedMetadataBlockSize;
        superblock.NrBlocks = _geometry.NrBlocks;
        superblock.CurrentEra = _geometry.CurrentEra;
        superblock.WritesetTreeRoot = writesetTreeRoot;
        superblock.EraArrayRoot = eraArrayRoot;

        // Durable before the superblock points at it.
        _writer.Device.Flush();
        _writer.Write(Superblock.Location, block, SuperblockValidator.Instance);
        _writer.Device.Flush();
    }

    private void CompleteWriteset()
    {
        if (_bitset is null) return;
        _writesets.Add(_writesetEra, new WritesetRecord { NrBits = _writesetBits, Root = _bitset.Complete() });
        _bitset = null;
    }
}
