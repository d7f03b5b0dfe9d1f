namespace DmEra.Tools.Repair;

/// <summary>What the user knows of a device whose superblock cannot be read. Null = not known.</summary>
/// <param name="DataBlockSize">Size of an origin block in sectors.</param>
/// <param name="NrBlocks">Origin blocks.</param>
/// <param name="CurrentEra">An era not earlier than the current one.</param>
public sealed record GeometryHint(uint? DataBlockSize, uint? NrBlocks, uint? CurrentEra);
