using DmEra.Devices;
using DmEra.Tests.Golden;
using DmEra.Tools.Check;

namespace DmEra.Tests.Tools.Check;

/// <summary>What most tests of the checker work on, the kernel's image "snapshot": 2048 origin blocks, era 5, one archived
/// writeset, metadata snapshot of era 3 in block 53; three blocks in the era array.</summary>
internal static class CheckedImage
{
    public const ulong SpaceMapIndex = 105;
    public const ulong Bitmap = 104;
    public const ulong OverflowRoot = 2;
    public const ulong WritesetRoot = 103;
    public const ulong EraArray = 92;
    public const ulong EraBlock0 = 90;
    public const ulong EraBlock1 = 36;          // which the snapshot shares
    public const ulong EraBlock2 = 78;
    public const ulong Snapshot = 53;
    public const ulong SnapshotEraArray = 35;
    public const int NodeNrEntries = 16;
    public const int NodeKeys = 32;
    public const int Values8 = 2048;
    public const int Values12 = 1640;

    public static ImageEditor KernelSnapshot() => new(GoldenImage.Load("snapshot").Metadata);

    /// <summary>Another image, whose writeset tree has two levels.</summary>
    public static ImageEditor TwoLevels() => new(GoldenImage.Load("many-writesets").Metadata);

    public static ulong FirstLeaf(ImageEditor image) => image.Get64(image.Get64(0, 200), Values8);

    public static CheckReport Examine(ImageEditor image) => Examine(image.Image);

    public static CheckReport Examine(byte[] image)
    {
        using MemoryBlockDevice metadata = new(image);
        return MetadataChecker.Check(metadata);
    }
}
