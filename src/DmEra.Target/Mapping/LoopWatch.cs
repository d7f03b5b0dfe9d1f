using DmEra.Devices;

namespace DmEra.Target.Mapping;

/// <summary>
/// Looks whether somebody has made a loop device of a file that is being served. When the file was opened there was none; nothing keeps
/// the kernel from making one later, and what is written there is in no list. Any thread.
/// </summary>
/// <param name="files">What is served, and its metadata.</param>
/// <param name="log">Is told once.</param>
/// <param name="find">Finds a loop device through which a file can be written.</param>
internal sealed class LoopWatch(IReadOnlyList<IBlockDevice> files, Action<string> log, Func<FileBlockDevice, string?> find)
{
    private string? _warning;

    /// <summary>Looks, unless something was found before.</summary>
    /// <returns>What was found, in one line; null: nothing.</returns>
    public string? Look()
    {
        if (Volatile.Read(ref _warning) is string known) return known;
        foreach (FileBlockDevice file in files.OfType<FileBlockDevice>())
        {
            if (find(file) is not string loop) continue;
            string warning = $"{file.Path}: has become {loop} while it is served: what is written there is in no list of changes; detach it "
                + $"(losetup -d {loop}), and copy everything once";
            if (Interlocked.CompareExchange(ref _warning, warning, null) is null) log(warning);
            return Volatile.Read(ref _warning);
        }

        return null;
    }
}
