namespace DmEra.Devices;

/// <summary>What the kernel tells of its devices, in files of a line each below /sys.</summary>
internal static class KernelAttribute
{
    /// <summary>The line; null when the device has no such attribute, or is just going away.</summary>
    public static string? TryRead(string path)
    {
        try { return File.Exists(path) ? File.ReadAllText(path).TrimEnd('\n') : null; }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException) { return null; }
    }
}
