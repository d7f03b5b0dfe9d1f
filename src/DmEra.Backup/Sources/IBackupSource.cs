using DmEra.Backup.Images;
using DmEra.Backup.Maps;
using DmEra.Devices;
using DmEra.Target.Chronicles;
using DmEra.Target.Tracking;

namespace DmEra.Backup.Sources;

/// <summary>Takes ranges of a device into the image that is being made, in place of what it took before.</summary>
/// <param name="device">Where to read.</param>
/// <param name="ranges">What, ascending.</param>
public delegate void TakePass(IBlockDevice device, IEnumerable<SectorRange> ranges);

/// <summary>A device as something to take images of.</summary>
public interface IBackupSource : ITrackedDevice
{
    /// <summary>Where its metadata is: what is remembered of it lies beside that; null when nothing is.</summary>
    string? MetadataPath { get; }

    /// <summary>What should be known of this source, for people: one line each, no capital, no full stop.</summary>
    IReadOnlyList<string> Remarks { get; }

    /// <summary>Takes the device at one moment, in one or more passes.</summary>
    /// <param name="plan">What the first pass must take.</param>
    /// <param name="pass">Takes.</param>
    /// <exception cref="IOException">The device or its metadata cannot be read.</exception>
    TakenPoint Take(TakePlan plan, TakePass pass);
}

/// <summary>The moment that an image is of.</summary>
/// <param name="LastEra">The last era whose writes are all in it; later writes are in later eras.</param>
/// <param name="Consistency">How it was made sure that it is one moment.</param>
/// <param name="Pause">How long writes were held up.</param>
/// <param name="Next">The beginning of the era that the device goes on with, which is this moment; null when it has no
/// mark.</param>
public sealed record TakenPoint(uint LastEra, ImageConsistency Consistency, TimeSpan Pause, EraMark? Next);
