namespace DmEra.Devices;

/// <summary>The unit in which Linux tells of sizes and places on disks, whatever the disk's own is.</summary>
public static class Sector
{
    /// <summary>Bytes of a sector.</summary>
    public const int Size = 512;
}
