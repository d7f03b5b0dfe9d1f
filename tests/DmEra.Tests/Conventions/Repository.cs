namespace DmEra.Tests.Conventions;

/// <summary>The source tree that the tests were built from.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>Paths, relative to <see cref="Root"/>, of the files below a folder, without what builds leave.</summary>
    public static IEnumerable<string> Files(string folder, string pattern)
    {
        string top = Path.Combine(Root, folder);
        return Directory.EnumerateFiles(top, pattern, SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(Root, path))
            .Where(path => !path.StartsWith("artifacts/", StringComparison.Ordinal)
                && !path.StartsWith(".git/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal);
    }

    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "DmEra.slnx"))) return folder.FullName;
        }

        throw new InvalidOperationException("the tests do not lie inside the source tree");
    }
}
