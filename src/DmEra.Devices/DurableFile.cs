using Microsoft.Win32.SafeHandles;

namespace DmEra.Devices;

/// <summary>Whole files that are, after a power failure, either as they were before or as they were written.</summary>
public static class DurableFile
{
    /// <summary>For a file that nobody but its owner reads.</summary>
    public const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Writes a file and puts it in the place of the one that was there, if any. On return it is durable.</summary>
    /// <param name="path">The file.</param>
    /// <param name="temporary">Where it is written at first: in the same folder. What a program that was killed has left there is removed.</param>
    /// <param name="content">All of its content.</param>
    /// <exception cref="IOException">The file is as it was before, or already the new one, which a power failure may still
    /// take back; nothing is left at <paramref name="temporary"/>.</exception>
    public static void Replace(string path, string temporary, ReadOnlySpan<byte> content)
    {
        using FolderHandle folder = FolderHandle.Open(FolderOf(path));
        UnixFileMode mode = File.Exists(path) ? File.GetUnixFileMode(path) : OwnerOnly;
        string name = Path.GetFileName(temporary);
        folder.Remove(name);
        Write(folder, name, content, mode);
        try
        {
            folder.Rename(name, folder, Path.GetFileName(path));
        }
        catch
        {
            folder.Remove(name);
            throw;
        }

        folder.Flush();
    }

    /// <summary>Writes a new file and makes its content durable; its name is not yet.</summary>
    /// <param name="folder">Where.</param>
    /// <param name="name">What it is called there: not existing.</param>
    /// <param name="content">All of its content.</param>
    /// <param name="mode">Its permissions, from the first moment on.</param>
    /// <exception cref="DeviceException">Nothing of it is left.</exception>
    public static void Write(FolderHandle folder, string name, ReadOnlySpan<byte> content, UnixFileMode mode)
    {
        using SafeFileHandle file = folder.CreateFile(name, mode);
        try
        {
            // The mask of the process is meant for what people make.
            if (File.GetUnixFileMode(file) != mode) LinuxFolder.ChangeMode(file, mode);
            for (int offset = 0; offset < content.Length;) offset += LinuxFile.Write(file, content[offset..], offset);
            LinuxFile.FlushData(file);
        }
        catch
        {
            folder.Remove(name);
            throw;
        }
    }

    /// <summary>Makes the names in a folder durable: files created, renamed or deleted there.</summary>
    /// <exception cref="DeviceException">The folder cannot be opened or flushed.</exception>
    public static void FlushFolder(string path)
    {
        using FolderHandle folder = FolderHandle.Open(path);
        folder.Flush();
    }

    private static string FolderOf(string path) => Path.GetDirectoryName(Path.GetFullPath(path))!;
}
