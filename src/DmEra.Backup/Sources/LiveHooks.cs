namespace DmEra.Backup.Sources;

/// <summary>Commands of the user's that bring what uses a device to rest, or make a snapshot of its origin. Each
/// is a line for the shell; null where there is none.</summary>
/// <param name="Freeze">Before the moment that the image is of, as in <c>fsfreeze -f /srv</c>.</param>
/// <param name="Thaw">After it, whatever happens.</param>
/// <param name="Snapshot">Makes a snapshot of the origin and prints the path to read it at, on its last line.</param>
/// <param name="Release">Removes the snapshot, whatever happens.</param>
public sealed record LiveHooks(string? Freeze, string? Thaw, string? Snapshot, string? Release)
{
    /// <summary>Ends the one that is running, and with it the backup; what undoes something is run all the same.</summary>
    public CancellationToken Stop { get; init; }

    /// <summary>No commands.</summary>
    public static LiveHooks None { get; } = new(null, null, null, null);
}
