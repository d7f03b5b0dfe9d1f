namespace DmEra.Backup.Maps;

/// <summary>A run of sectors of a device.</summary>
/// <param name="First">The first sector.</param>
/// <param name="End">The sector behind the last one.</param>
public readonly record struct SectorRange(long First, long End);
