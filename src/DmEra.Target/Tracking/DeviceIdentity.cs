namespace DmEra.Target.Tracking;

/// <summary>A tracked device, as far as others can tell it by.</summary>
/// <param name="Name">What the user calls it.</param>
/// <param name="Lineage">The id in its metadata; null when that is blank, as the kernel leaves it.</param>
/// <param name="SizeSectors">Its length.</param>
/// <param name="BlockSizeSectors">Its origin block.</param>
public sealed record DeviceIdentity(string Name, Guid? Lineage, long SizeSectors, uint BlockSizeSectors);
