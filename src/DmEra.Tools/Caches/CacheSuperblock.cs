using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;
using DmEra.Target.Metadata;

namespace DmEra.Tools.Caches;

/// <summary>The name of a policy, padded with zeroes.</summary>
[InlineArray(16)]
internal struct PolicyNameField
{
    private byte _first;
}

/// <summary>Version of a policy: major, minor, patch.</summary>
[InlineArray(3)]
internal struct PolicyVersionField
{
    private Le32 _first;
}

/// <summary>Read hits, read misses, write hits, write misses.</summary>
[InlineArray(4)]
internal struct CacheCountersField
{
    private Le32 _first;
}

/// <summary>Metadata block 0 of dm-cache: 292 bytes, the last field in version 2 only
/// (kernel: <c>struct cache_disk_superblock</c>).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct CacheSuperblock
{
    public const ulong ExpectedMagic = 0x18C403;
    public const uint CleanShutdown = 1;

    public Le32 Checksum;
    public Le32 Flags;
    public Le64 BlockNumber;
    public UuidField Uuid;
    public Le64 Magic;
    public Le32 Version;
    public PolicyNameField PolicyName;
    public Le32 PolicyHintSize;
    public SpaceMapRootField MetadataSpaceMapRoot;
    public Le64 MappingRoot;
    public Le64 HintRoot;
    public Le64 DiscardRoot;
    public Le64 DiscardBlockSize;       // sectors
    public Le64 DiscardNrBlocks;
    public Le32 DataBlockSize;          // sectors of a cache block
    public Le32 MetadataBlockSize;      // sectors
    public Le32 CacheBlocks;
    public Le32 CompatFlags;
    public Le32 CompatRoFlags;
    public Le32 IncompatFlags;
    public CacheCountersField Counters;
    public PolicyVersionField PolicyVersion;
    public Le64 DirtyRoot;
}

/// <summary>What makes a block a superblock of dm-cache.</summary>
internal sealed class CacheSuperblockValidator : BlockValidator
{
    public static readonly CacheSuperblockValidator Instance = new();

    private const uint LatestVersion = 2;

    private CacheSuperblockValidator()
        : base("cache superblock", salt: 9031977, addressOffset: 8)
    {
    }

    protected override void CheckIdentity(ulong address, ReadOnlySpan<byte> block)
    {
        ulong magic = MemoryMarshal.AsRef<CacheSuperblock>(block).Magic;
        if (magic == CacheSuperblock.ExpectedMagic) return;
        string what = magic == Superblock.ExpectedMagic ? "era metadata, not that of a cache" : "no metadata of dm-cache";
        throw new MetadataCorruptException(
            address, $"{Name} has magic {magic}, not {CacheSuperblock.ExpectedMagic}: this is {what}", MetadataCorruption.Damaged);
    }

    protected override void CheckContent(ulong address, ReadOnlySpan<byte> block)
    {
        ref readonly CacheSuperblock superblock = ref MemoryMarshal.AsRef<CacheSuperblock>(block);
        if (superblock.Version.Value is 0 or > LatestVersion)
            throw Unsupported($"version {superblock.Version} found, and only 1 to {LatestVersion} are known");
        if (superblock.IncompatFlags != 0)
            throw Unsupported($"features {superblock.IncompatFlags.Value:x} are unknown");
        if (superblock.DataBlockSize == 0)
            throw new MetadataCorruptException(address, $"{Name} has cache blocks of no size", MetadataCorruption.Damaged);

        MetadataCorruptException Unsupported(string why) =>
            new(address, $"{Name}: {why}", MetadataCorruption.Unsupported);
    }
}
