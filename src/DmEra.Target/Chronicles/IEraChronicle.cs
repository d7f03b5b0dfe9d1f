using DmEra.Devices;
using DmEra.Target.Metadata;

namespace DmEra.Target.Chronicles;

/// <summary>
/// What the kernel's format has no room for: a mark for each era that began, so that a number that is used a second time is not
/// taken for the first. Told of boundaries by the device, one at a time; asked from any thread.
/// </summary>
public interface IEraChronicle : IDisposable
{
    /// <summary>The era before whose beginning writes were last missed, as when the origin was changed by something else; 0 when
    /// nothing is known of such a thing.</summary>
    uint Gap { get; }

    /// <summary>The mark of the beginning of an era: one that began; or the next one, after <see cref="Ended"/>. null when it
    /// has none.</summary>
    Guid? MarkOf(uint era);

    /// <summary>Bytes that the device had when it was last open, as of <see cref="Open"/>; 0 when that is not known.</summary>
    long KnownLength { get; }

    /// <summary>Compares with metadata that was just read, before it is changed: marks of a history that was undone are
    /// dropped.</summary>
    /// <exception cref="IOException">It cannot be read or written.</exception>
    void Open(MetadataState found, FileStamp origin);

    /// <summary>Makes sure that there is room for the beginning of an era and for its end.</summary>
    /// <exception cref="IOException">There is none.</exception>
    void MakeRoom();

    /// <summary>An era has begun in the metadata, and nobody knows of it yet. Its mark is durable on return.</summary>
    /// <param name="era">The era.</param>
    /// <param name="origin">The origin.</param>
    /// <param name="length">Bytes of the device.</param>
    /// <exception cref="IOException">It has no mark.</exception>
    void Begun(uint era, FileStamp origin, long length);

    /// <summary>An era has ended, and the origin is at rest.</summary>
    /// <param name="era">The era.</param>
    /// <param name="origin">The origin.</param>
    /// <param name="length">Bytes of the device.</param>
    /// <exception cref="IOException">The next one has no mark yet.</exception>
    void Ended(uint era, FileStamp origin, long length);
}
