using DmEra.Target.Chronicles;

namespace DmEra.Control;

/// <summary>A served device as the control socket describes it.</summary>
public sealed record DeviceDescription
{
    /// <summary>Name among the served devices, and of the NBD export.</summary>
    public required string Name { get; init; }

    /// <summary><c>active</c>, <c>suspended</c>, <c>paused</c>, <c>resuming</c> or <c>failed</c>.</summary>
    public required string State { get; init; }

    /// <summary>What keeps the device from doing all it should: its metadata failed, its origin cannot be flushed, or it cannot go
    /// on; null when nothing does.</summary>
    public string? FailureReason { get; init; }

    /// <summary>The status line, as dmsetup prints it.</summary>
    public required string Status { get; init; }

    /// <summary>The table line.</summary>
    public required string Table { get; init; }

    /// <summary>The era that writes are recorded in.</summary>
    public required uint CurrentEra { get; init; }

    /// <summary>The mark of its beginning; null when it has none.</summary>
    public Guid? Mark { get; init; }

    /// <summary>The era before whose beginning writes were last missed, as when the origin was changed by something else; null
    /// when nothing is known of such a thing.</summary>
    public uint? Gap { get; init; }

    /// <summary>Bytes.</summary>
    public required long Size { get; init; }

    /// <summary>Bytes in an origin block.</summary>
    public required long BlockSize { get; init; }

    /// <summary>Path of the origin.</summary>
    public required string Origin { get; init; }

    /// <summary>The file or block device that is open as the origin, by its numbers; null when it is on a server. The path may
    /// lead to another one by now.</summary>
    public string? OriginIdentity { get; init; }

    /// <summary>Path of the metadata.</summary>
    public required string Metadata { get; init; }

    /// <summary>Identifies the metadata; null when that is not known.</summary>
    public Guid? Lineage { get; init; }

    /// <summary>Metadata blocks of 4 KiB in use.</summary>
    public required ulong MetadataBlocksUsed { get; init; }

    /// <summary>Metadata blocks of 4 KiB in all.</summary>
    public required ulong MetadataBlocks { get; init; }

    /// <summary>Metadata block of the metadata snapshot; null when none is held.</summary>
    public ulong? MetadataSnapshot { get; init; }

    /// <summary>NBD URIs under which it is served.</summary>
    public required IReadOnlyList<string> Endpoints { get; init; }

    /// <summary>NBD clients connected now.</summary>
    public required int Connections { get; init; }

    /// <summary>Path of the control socket.</summary>
    public required string ControlSocket { get; init; }

    /// <summary>The process that serves it.</summary>
    public required int ProcessId { get; init; }
}

/// <summary>Body of POST /v1/device/messages.</summary>
/// <param name="Message">Words as the kernel's target takes them.</param>
public sealed record MessageRequest(string Message);

/// <summary>Body of POST /v1/device/resize.</summary>
/// <param name="Size">Bytes, a multiple of 512.</param>
public sealed record ResizeRequest(long Size);

/// <summary>Answer to POST /v1/device/checkpoint.</summary>
/// <param name="Era">The era that has begun.</param>
/// <param name="Mark">The mark of its beginning; null when it has none.</param>
public sealed record CheckpointReply(uint Era, Guid? Mark);

/// <summary>Answer to GET /v1/device/era.</summary>
/// <param name="Era">The era that was meant.</param>
/// <param name="Mark">The mark of its beginning; null when it has none.</param>
public sealed record EraReply(uint Era, Guid? Mark);

/// <summary>Answer to POST /v1/device/pause; the connection stays open for as long as the pause is to last.</summary>
/// <param name="Era">The last era that anything was written in.</param>
/// <param name="Id">Names the pause: DELETE /v1/device/pause/ID ends it, and answers when the device goes on.</param>
/// <param name="Next">The beginning of the era that the device goes on with; null when it has no mark.</param>
public sealed record PauseReply(uint Era, Guid Id, EraMark? Next = null);

/// <summary>Body of every answer that is not a success.</summary>
/// <param name="Error">One line: what is wrong, and what to do.</param>
public sealed record ErrorReply(string Error);
