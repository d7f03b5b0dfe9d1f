using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;

namespace DmEra.Target.Metadata;

/// <summary>One writeset as it lies on disk: in the superblock and as a value of the writeset tree, where it is
/// 12 bytes without alignment (kernel: <c>struct writeset_disk</c>).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct WritesetRecord
{
    /// <summary>Origin blocks that the writeset covers.</summary>
    public Le32 NrBits;

    /// <summary>Address of the root of its bitset; 0 = none.</summary>
    public Le64 Root;
}

/// <summary>A UUID field; the kernel writes zeroes.</summary>
[InlineArray(16)]
public struct UuidField
{
    private byte _first;
}

/// <summary>The field that holds the root of the metadata space map.</summary>
[InlineArray(128)]
public struct SpaceMapRootField
{
    private byte _first;
}

/// <summary>Metadata block 0, and the copy of it that a metadata snapshot is: 224 bytes, zeroes behind them
/// (kernel: <c>struct superblock_disk</c> in dm-era-target.c).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct Superblock
{
#pragma warning disable CS1591 // The fields are the kernel's; docs/on-disk-format.md has the table.
    public const ulong Location = 0;
    public const ulong ExpectedMagic = 2126579579;
    public const uint SupportedVersion = 1;
    public const uint ExpectedMetadataBlockSize = 8;

    public Le32 Checksum;
    public Le32 Flags;
    public Le64 BlockNumber;
    public UuidField Uuid;
    public Le64 Magic;
    public Le32 Version;
    public SpaceMapRootField MetadataSpaceMapRoot;
    public Le32 DataBlockSize;          // sectors
    public Le32 MetadataBlockSize;      // sectors
    public Le32 NrBlocks;               // origin blocks
    public Le32 CurrentEra;
    public WritesetRecord CurrentWriteset;
    public Le64 WritesetTreeRoot;
    public Le64 EraArrayRoot;
    public Le64 MetadataSnap;           // 0 = none
#pragma warning restore CS1591

    /// <summary>What the metadata was given when it was formatted; null when that is blank, as the kernel leaves
    /// it.</summary>
    public readonly Guid? Lineage
    {
        get
        {
            Guid lineage = new(Uuid);
            return lineage == Guid.Empty ? null : lineage;
        }
    }
}

/// <summary>What makes a block an era superblock (kernel: <c>sb_validator</c>), in the kernel's order: own
/// address, magic, checksum, version.</summary>
public sealed class SuperblockValidator : BlockValidator
{
    /// <summary>The one there is.</summary>
    public static readonly SuperblockValidator Instance = new();

    private SuperblockValidator()
        : base("superblock", salt: 146538381, addressOffset: 8)
    {
    }

    /// <inheritdoc/>
    protected override void CheckIdentity(ulong address, ReadOnlySpan<byte> block)
    {
        ulong magic = MemoryMarshal.AsRef<Superblock>(block).Magic;
        if (magic != Superblock.ExpectedMagic)
        {
            throw new MetadataCorruptException(
                address, $"{Name} has magic {magic}, not {Superblock.ExpectedMagic}: this is no era metadata",
                MetadataCorruption.Damaged);
        }
    }

    /// <inheritdoc/>
    protected override void CheckContent(ulong address, ReadOnlySpan<byte> block)
    {
        ref readonly Superblock superblock = ref MemoryMarshal.AsRef<Superblock>(block);
        if (superblock.Version != Superblock.SupportedVersion)
        {
            throw new MetadataCorruptException(
                address,
                $"Era metadata version {superblock.Version} found, but only versions between 1 and 1 supported.",
                MetadataCorruption.Unsupported);
        }
    }
}
