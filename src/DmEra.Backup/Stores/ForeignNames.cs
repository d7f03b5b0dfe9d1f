namespace DmEra.Backup.Stores;

/// <summary>
/// Names that file systems, file servers and desktops put into folders of their own accord. What is called so is no
/// part of a repository and no damage to it: it is neither looked into nor removed.
/// </summary>
internal static class ForeignNames
{
    private static readonly HashSet<string> Known = new(StringComparer.OrdinalIgnoreCase)
    {
        "lost+found", "@eaDir", "#recycle", "#snapshot", "$RECYCLE.BIN", "System Volume Information", "Thumbs.db", "desktop.ini",
    };

    /// <summary>True for such a name; all of those that are hidden (.DS_Store, .nfs0123, .snapshot, .Trashes) are.</summary>
    public static bool Contains(string name) => name.StartsWith('.') || Known.Contains(name);
}
