namespace DmEra.Serving;

/// <summary>A path as somebody typed it.</summary>
internal static class SettingsPath
{
    /// <summary>Has a relative path begin at a folder; one that is absolute stays as it is.</summary>
    /// <exception cref="SettingsException">It can be no path at all.</exception>
    public static string In(string folder, string path) => path.Contains('\0', StringComparison.Ordinal)
        ? throw new SettingsException($"'{path.Replace("\0", @"\0", StringComparison.Ordinal)}' can be no path: there is a NUL in it")
        : Path.Combine(folder, path);
}
