using System.ComponentModel;
using System.Diagnostics;
using DmEra.Devices;
using DmEra.Target.Mapping;

namespace DmEra.Kernel;

/// <summary>The kernel's device mapper, through dmsetup.</summary>
public static class DeviceMapper
{
    private const string Program = "dmsetup";

    /// <summary>The name of a mapped device; null when the path leads to something else.</summary>
    public static string? NameOf(string path)
    {
        using FileBlockDevice device = FileBlockDevice.OpenShared(path);
        if (device.DeviceNumber is not (uint major, uint minor)) return null;
        string name = $"/sys/dev/block/{major}:{minor}/dm/name";
        return File.Exists(name) ? File.ReadAllText(name).TrimEnd('\n') : null;
    }

    /// <summary>The table of an era device; null when the device is no era device.</summary>
    public static EraTable? TableOf(string name)
    {
        string[] lines = Run("table", name).Split('\n');
        return lines is [string line] && line.Split(' ') is [_, _, "era", ..] ? EraTable.Parse(line) : null;
    }

    /// <summary>The status of an era device, which must be active: a suspended one never answers.</summary>
    public static EraStatus StatusOf(string name)
    {
        string line = Run("status", name);
        return EraStatus.TryParse(line, out EraStatus? status)
            ? status
            : throw new DeviceMapperException($"{name}: not understood: '{line}'");
    }

    /// <summary>True when requests to a device wait.</summary>
    public static bool IsSuspended(string name) =>
        Run("info", "-c", "--noheadings", "-o", "suspended", name).Equals("Suspended", StringComparison.Ordinal);

    /// <summary>Where a device of a table is, which the kernel names by its numbers.</summary>
    public static string PathOf(string device)
    {
        string about = $"/sys/dev/block/{device}/uevent";
        return !File.Exists(about) ? (device.Contains('/', StringComparison.Ordinal) ? device : $"/dev/block/{device}")
            : "/dev/" + File.ReadLines(about).First(line => line.StartsWith("DEVNAME=", StringComparison.Ordinal))["DEVNAME=".Length..];
    }

    /// <summary>The command that resumes a device.</summary>
    public static string ResumeCommand(string name) => $"{Program} resume {Quote(name)}";

    /// <summary>The command that drops the metadata snapshot of a device, if there is one.</summary>
    public static string DropSnapshotCommand(string name) => $"{MessageCommand(name)} drop_metadata_snap";

    /// <summary>The command that sends a device a message, but for the message.</summary>
    public static string MessageCommand(string name) => $"{Program} message {Quote(name)} 0";

    /// <summary>Runs dmsetup.</summary>
    /// <returns>What it printed, without the end of the last line.</returns>
    /// <exception cref="DeviceMapperException">It is missing, or failed.</exception>
    public static string Run(params string[] arguments)
    {
        ProcessStartInfo start = new(Program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> complaint = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? output.TrimEnd('\n') : throw new DeviceMapperException(
                $"{Program} {string.Join(' ', arguments)}: {complaint.Result.Trim().ReplaceLineEndings(" ")}");
        }
        catch (Win32Exception)
        {
            throw new DeviceMapperException($"{Program} is missing; install the package dmsetup");
        }
    }

    private static string Quote(string word) => $"'{word.Replace("'", @"'\''", StringComparison.Ordinal)}'";
}
