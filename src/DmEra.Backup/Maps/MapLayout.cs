using System.Runtime.InteropServices;
using DmEra.Backup.Packs;
using DmEra.Devices.Binary;

namespace DmEra.Backup.Maps;

/// <summary>Where a record of an index pack is. A page of the map of an image is an array of these, one a region
/// or a further page; all zeroes where that is empty.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct RecordAddress(PackName Pack, Le32 Record)
{
    /// <summary>True where there is none: images are numbered from 1 on.</summary>
    public bool IsEmpty => Pack.Image == 0;
}

/// <summary>Begins the map of a region; behind it the names of packs, then the extents.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct RegionHeader
{
    public Le32 PackCount;
    public Le32 ExtentCount;
}

/// <summary>A run of sectors whose content is in one pack. What no extent covers reads as zeroes.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct ExtentRow
{
    public Le32 FirstSector;        // within the region
    public Le32 SectorCount;
    public Le32 Pack;               // which of the region's packs
}
