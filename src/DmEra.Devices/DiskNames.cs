namespace DmEra.Devices;

/// <summary>
/// The names that a disk is known by: what is kept beside it belongs to the disk, and not to the name that somebody typed. Names that
/// change with every start of the machine, as <c>/dev/dm-3</c>, are followed by the one that stays.
/// </summary>
public static class DiskNames
{
    private const int MostLinks = 40;       // as the kernel follows
    private const string Devices = "/dev/";

    /// <summary>The names of a disk, whether it exists or not: the one given first, then those that its links lead to, the best
    /// last.</summary>
    /// <param name="path">A disk image or block device.</param>
    public static IReadOnlyList<string> Of(string path)
    {
        List<string> names = [Path.GetFullPath(path)];
        while (names.Count <= MostLinks && new FileInfo(names[^1]).LinkTarget is string target)
            names.Add(Path.GetFullPath(target, Path.GetDirectoryName(names[^1])!));
        // Names of the same file first: what they were made from is no better than they are.
        names.InsertRange(0, HardLinksTo(names[^1]));
        if (TryFindStable(names[^1]) is string stable) names.Add(stable);
        return [.. names.Distinct(StringComparer.Ordinal)];
    }

    /// <summary>True when a file has more than one name: others may lie in folders that nobody has looked into.</summary>
    public static bool HasSeveral(string path) => Status(path) is { IsRegular: true, LinkCount: > 1 };

    private static IEnumerable<string> HardLinksTo(string path)
    {
        if (!HasSeveral(path)) return [];
        FileStatus status = Status(path)!.Value;
        string folder = Path.GetDirectoryName(path)!;
        return FilesIn(folder).Where(other => Status(other) is { } found && found.Identity == status.Identity)
            .Where(other => !string.Equals(other, path, StringComparison.Ordinal)).Order(StringComparer.Ordinal);
    }

    // One that may be entered and not listed has names that nobody can find.
    private static string[] FilesIn(string folder)
    {
        try { return Directory.GetFiles(folder); }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException) { return []; }
    }

    // What a mapped device is called, and the file that a loop device is made of.
    private static string? TryFindStable(string path)
    {
        if (!path.StartsWith(Devices, StringComparison.Ordinal) || path.LastIndexOf('/') != Devices.Length - 1) return null;
        string about = $"/sys/block/{path[Devices.Length..]}";
        if (KernelAttribute.TryRead($"{about}/dm/name") is string mapped) return $"/dev/mapper/{mapped}";
        return KernelAttribute.TryRead($"{about}/loop/offset") is "0" && KernelAttribute.TryRead($"{about}/loop/backing_file") is string file && File.Exists(file) ? file : null;
    }

    private static FileStatus? Status(string path)
    {
        try { return FileStatus.TryOf(path); }
        catch (DeviceException) { return null; }    // it cannot be reached, and so is no name to anybody here
    }
}
