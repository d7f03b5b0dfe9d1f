using System.Text.Json.Serialization;
using DmEra.Target.Chronicles;
using DmEra.Target.Tracking;

namespace DmEra.Backup.Images;

/// <summary>One image in a repository: the whole content of a device at one point in time, and what was known of
/// the device then.</summary>
public sealed record ImageManifest
{
    /// <summary>Its number in the repository, from 1 on; the newest has the highest.</summary>
    public required uint Number { get; init; }

    /// <summary>Identifies it for ever.</summary>
    public required Guid Id { get; init; }

    /// <summary>The image that it was taken on top of; null for a full one, for which the whole device was read.</summary>
    public ImageLink? Parent { get; init; }

    /// <summary>The images that were there when it was taken, so that it vouches for them; null in images of earlier versions,
    /// and where it is of no interest.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ImageLink>? Before { get; init; }

    /// <summary>When it was begun.</summary>
    public required DateTimeOffset Created { get; init; }

    /// <summary>What the user calls it.</summary>
    public string? Label { get; init; }

    /// <summary>The device.</summary>
    public required DeviceIdentity Device { get; init; }

    /// <summary>The last era whose writes are all in it. The next increment takes what was written in later ones.</summary>
    public required uint LastEra { get; init; }

    /// <summary>The beginning of the era after it, which is the moment that it is of; null when that has no mark, as with the
    /// kernel's eras and in images of earlier versions.</summary>
    [JsonPropertyName("nextEra")]
    public EraMark? Next { get; init; }

    /// <summary>How it was made sure that the content is of one moment.</summary>
    public required ImageConsistency Consistency { get; init; }

    /// <summary>Some of the last writes before it, to tell metadata that was put back from a copy; null when there
    /// were none.</summary>
    public EraWitness? Witness { get; init; }

    /// <summary>Where its map is: the name of a pack, <c>#</c>, a record; empty when all of it is zeroes.</summary>
    public required string Map { get; init; }

    /// <summary>What taking it cost.</summary>
    public required ImageCost Cost { get; init; }
}

/// <summary>Names another image.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Id">Its id.</param>
public sealed record ImageLink(uint Number, Guid Id);

/// <summary>The last image that a device has put into a repository, as the device remembers it.</summary>
/// <param name="Repository">Identifies the repository.</param>
/// <param name="Number">The image's number.</param>
/// <param name="Id">Its id.</param>
/// <param name="Created">When it was begun.</param>
internal sealed record RememberedImage(Guid Repository, uint Number, Guid Id, DateTimeOffset Created);

/// <summary>Blocks known to have been written in an era or later.</summary>
/// <param name="Era">The era.</param>
/// <param name="Blocks">Origin blocks, ascending.</param>
public sealed record EraWitness(uint Era, IReadOnlyList<uint> Blocks);

/// <summary>How it was made sure that the content of an image is of one moment.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ImageConsistency>))]
public enum ImageConsistency
{
    /// <summary>The device was not in use.</summary>
    Stopped,

    /// <summary>Writes were held up for the last of it: as after a power failure at that moment.</summary>
    Paused,

    /// <summary>Read from a snapshot or clone of the origin.</summary>
    Snapshot,

    /// <summary>As <see cref="Snapshot"/>, with the user's hook having brought what uses the device to rest.</summary>
    Frozen,
}

/// <summary>What taking an image cost.</summary>
/// <param name="BytesRead">Read from the device, holes not counted.</param>
/// <param name="BytesNew">Of those, neither zeroes nor in the repository before.</param>
/// <param name="BytesStored">What the repository grew by.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="PauseSeconds">How long of that writes to the device were held up.</param>
public sealed record ImageCost(long BytesRead, long BytesNew, long BytesStored, double Seconds, double PauseSeconds);
