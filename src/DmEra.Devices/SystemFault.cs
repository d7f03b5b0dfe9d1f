using System.Text.RegularExpressions;

namespace DmEra.Devices;

/// <summary>Faults of the class library's file functions in the words that every other program has for them.</summary>
public static partial class SystemFault
{
    /// <summary>What went wrong, as in "No such file or directory".</summary>
    public static string Reason(Exception fault) => NumberOf(fault, PathOf(fault)) is int errno ? Errno.Describe(errno) : fault.Message;

    /// <summary>The file and what went wrong with it, as in "disk.img: No such file or directory"; what is no such fault comes out
    /// as it is.</summary>
    public static string Describe(Exception fault) =>
        fault is not DeviceException && PathOf(fault) is string path && NumberOf(fault, path) is int errno ? $"{path}: {Errno.Describe(errno)}" : fault.Message;

    // The library has a text of its own for the commonest ones, and keeps the number.
    private static int? NumberOf(Exception fault, string? path) => fault switch
    {
        DeviceException device => device.Errno,
        FileNotFoundException or DirectoryNotFoundException => Errno.ENOENT,
        PathTooLongException => Errno.ENAMETOOLONG,
        UnauthorizedAccessException when IsOpenFolder(path) => Errno.EISDIR,
        UnauthorizedAccessException { InnerException: IOException { HResult: > 0 and < 4096 } cause } => cause.HResult,
        UnauthorizedAccessException => Errno.EACCES,
        IOException { HResult: Errno.EAGAIN } => Errno.EBUSY,   // of a lock that somebody else holds
        IOException { HResult: > 0 and < 4096 } => fault.HResult,
        _ => null,
    };

    // A folder that was opened as a file is denied, says the library.
    private static bool IsOpenFolder(string? path)
    {
        if (!Directory.Exists(path)) return false;
        try
        {
            FolderHandle.Open(path).Dispose();
            return true;
        }
        catch (DeviceException)
        {
            return false;
        }
    }

    private static string? PathOf(Exception fault) =>
        QuotedPath().Match(fault.Message) is { Success: true } match ? match.Groups["path"].Value : null;

    [GeneratedRegex("'(?<path>.+)'", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex QuotedPath();
}
