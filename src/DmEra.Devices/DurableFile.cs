using Microsoft.Win32.SafeHandles;

namespace DmEra.Devices;

/// <summary>Whole files that are, after a power failure, either as they were before or as they were written.</summary>
public static class DurableFile
{
    /// <summary>Writes a file and puts it in the place of the one that was there, if any. On return it is durable.</summary>
    /// <param name="path">The file.</param>
    /// <param name="temporary">Where it is written at first: on the same file system, not existing.</param>
    /// <param name="content">All of its content.</param>
    /// <exception cref="IOException">The file is as it was before; nothing is left at
    /// <paramref name="temporary"/>.</exception>
    public static void Replace(string path, string temporary, ReadOnlySpan<byte> content)
    {
        try
        {
            using (SafeFileHandle file = File.OpenHandle(
                temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, FileOptions.None, content.Length))
            {
                RandomAccess.Write(file, content, 0);
                // Durable before the name leads to it: a name without its bytes would be a torn file.
                RandomAccess.FlushToDisk(file);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }

        FlushFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    /// <summary>Makes the names in a folder durable: files created, renamed or deleted there.</summary>
    /// <exception cref="DeviceException">The folder cannot be opened or flushed.</exception>
    public static void FlushFolder(string path)
    {
        using SafeFileHandle folder = LinuxFile.Open(path, LinuxFile.OpenReadOnly);
        LinuxFile.FlushData(folder);
    }
}
