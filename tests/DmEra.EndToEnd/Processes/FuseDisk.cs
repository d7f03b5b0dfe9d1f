using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>A file that another program serves through FUSE: a disk with faults, or one that is watched.</summary>
internal sealed class FuseDisk : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly RunningProgram _program;

    private FuseDisk(string path, string readyFile, string program, params IEnumerable<string> arguments)
    {
        Path = path;
        _program = new RunningProgram(program, arguments);
        Eventually.Equal("True", () => File.Exists(readyFile).ToString(), $"{program} serves {path}");
    }

    /// <summary>Where it is.</summary>
    public string Path { get; }

    /// <summary>A file behind filters of nbdkit.</summary>
    /// <param name="folder">Where to put it.</param>
    /// <param name="name">Its name there.</param>
    /// <param name="file">What is behind.</param>
    /// <param name="filters">nbdkit's filters, the outermost first.</param>
    /// <param name="settings">Their settings.</param>
    public static FuseDisk BehindNbdkit(
        TempFolder folder, string name, string file, IEnumerable<string> filters, params IEnumerable<string> settings)
    {
        string mount = folder[$"{name}.mount"];
        Directory.CreateDirectory(mount);
        string path = System.IO.Path.Combine(mount, name);
        string ready = folder[$"{name}.pid"];
        return new FuseDisk(path, ready, "nbdfuse",
        [
            "-P", ready, path, "--socket-activation", Oracle.Find("nbdkit"), "--exit-with-parent",
            .. filters.Select(filter => $"--filter={filter}"), "file", file, .. settings,
        ]);
    }

    /// <summary>A file behind drivers of qemu's.</summary>
    /// <param name="folder">Where to put it.</param>
    /// <param name="name">Its name there.</param>
    /// <param name="drivers">Descriptions of block devices; the last one's node name is "disk".</param>
    public static FuseDisk BehindQemu(TempFolder folder, string name, params IEnumerable<string> drivers)
    {
        string path = folder[name];
        File.WriteAllBytes(path, []);
        string ready = folder[$"{name}.pid"];
        return new FuseDisk(path, ready, "qemu-storage-daemon",
        [
            .. drivers.SelectMany(driver => new[] { "--blockdev", driver }),
            "--export", $"type=fuse,id=disk,node-name=disk,mountpoint={path},writable=on", "--pidfile", ready,
        ]);
    }

    /// <summary>Unmounts it, so that all of it is in the file behind.</summary>
    public void Dispose()
    {
        Oracle.Run("sh", "-c", $"kill -TERM {_program.Id}").AssertSuccess();
        _program.AwaitExit(Limit);
        _program.Dispose();
    }
}
