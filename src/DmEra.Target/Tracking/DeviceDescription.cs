namespace DmEra.Target.Tracking;

/// <summary>What a device in use is and does at one moment; as JSON, what the control API answers (docs/control-api.md).</summary>
public sealed record DeviceDescription
{
    /// <summary>Name among the devices of its kind; of a served one, of the NBD export as well.</summary>
    public required string Name { get; init; }

    /// <summary><c>active</c>, <c>suspended</c>, <c>paused</c>, <c>resuming</c> or <c>failed</c>.</summary>
    public required string State { get; init; }

    /// <summary>What keeps the device from doing all it should: its metadata failed, its origin cannot be flushed, or it cannot go
    /// on; null when nothing does.</summary>
    public string? FailureReason { get; init; }

    /// <summary>What makes its lists doubtful though nothing has failed; null when nothing is known of such a thing.</summary>
    public string? Warning { get; init; }

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

    /// <summary>URIs under which clients reach it; none of a device that is one of the kernel's.</summary>
    public required IReadOnlyList<string> Endpoints { get; init; }

    /// <summary>Clients connected now.</summary>
    public required int Connections { get; init; }

    /// <summary>Path of the control socket; null of a device that is one of the kernel's.</summary>
    public string? ControlSocket { get; init; }

    /// <summary>The process that serves it; null of a device that is one of the kernel's.</summary>
    public int? ProcessId { get; init; }
}
