using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Xml.Linq;

namespace DmEra.Tests;

/// <summary>
/// Programs by other people that judge what this project writes and serves. A missing one fails the test: a test
/// that skipped would look like one that passed.
/// </summary>
internal static class Oracle
{
    private static readonly TimeSpan TimeLimit = TimeSpan.FromMinutes(1);

    private static readonly string[] Folders =
        [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'), "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

    private static readonly Dictionary<string, string> Packages = new(StringComparer.Ordinal)
    {
        ["apt-cache"] = "apt",
        ["apt-get"] = "apt",
        ["bash"] = "bash",
        ["busybox"] = "busybox-static",
        ["cache_check"] = "thin-provisioning-tools",
        ["cache_dump"] = "thin-provisioning-tools",
        ["cache_restore"] = "thin-provisioning-tools",
        ["certtool"] = "gnutls-bin",
        ["cmp"] = "diffutils",
        ["curl"] = "curl",
        ["dmsetup"] = "dmsetup",
        ["dpkg-deb"] = "dpkg",
        ["du"] = "coreutils",
        ["era_check"] = "thin-provisioning-tools",
        ["era_dump"] = "thin-provisioning-tools",
        ["era_invalidate"] = "thin-provisioning-tools",
        ["era_restore"] = "thin-provisioning-tools",
        ["fio"] = "fio",
        ["fusermount3"] = "fuse3",
        ["groff"] = "groff-base",
        ["mkfs.ext4"] = "e2fsprogs",
        ["mkfs.xfs"] = "xfsprogs",
        ["modprobe"] = "kmod",
        ["nbd-client"] = "nbd-client",
        ["nbdcopy"] = "libnbd-bin",
        ["nbdfuse"] = "libnbd-bin",
        ["nbdinfo"] = "libnbd-bin",
        ["nbdkit"] = "nbdkit",
        ["python3"] = "python3-libnbd",
        ["node"] = "nodejs",
        ["qemu-img"] = "qemu-utils",
        ["qemu-io"] = "qemu-utils",
        ["qemu-nbd"] = "qemu-utils",
        ["qemu-storage-daemon"] = "qemu-system-common",
        ["qemu-system-x86_64"] = "qemu-system-x86",
        ["strace"] = "strace",
        ["systemd-analyze"] = "systemd",
        ["systemd-socket-activate"] = "systemd",
        ["xz"] = "xz-utils",
        ["zstd"] = "zstd",
    };

    /// <summary>Runs a program to its end, for at most a minute.</summary>
    public static ProgramResult Run(string program, params string[] arguments) =>
        Run(TimeLimit, program, arguments);

    /// <summary>Runs a program to its end; one that takes longer than the limit is killed and fails the test.</summary>
    public static ProgramResult Run(TimeSpan limit, string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(Find(program), arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        string command = $"{program} {string.Join(' ', arguments)}";
        if (!process.WaitForExit(limit) || !Task.WaitAll([output, error], limit))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{command}: no end after {limit.TotalSeconds} s");
        }

        return new ProgramResult(command, process.ExitCode, output.Result, error.Result);
    }

    /// <summary>Runs Python scripts in the shell of libnbd, one behind the other.</summary>
    /// <param name="uri">What <c>h</c> is connected to.</param>
    /// <param name="scripts">They see each other's variables.</param>
    /// <remarks>Not by the name nbdsh, which takes the first Python in the path.</remarks>
    public static ProgramResult NbdShell(string uri, params string[] scripts) => Run(
        "/usr/bin/python3", ["-m", "nbd", "-u", uri, .. scripts.SelectMany(script => new[] { "-c", script })]);

    /// <summary>The path of a program.</summary>
    public static string Find(string program)
    {
        string? path = Folders.Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
        string name = Path.GetFileName(program);
        if (path is null) Assert.Fail($"{program} is missing: apt-get install {Packages.GetValueOrDefault(name, name)}");
        return path;
    }

    /// <summary>Fails unless era_check finds nothing wrong with a metadata file.</summary>
    /// <remarks>Of version 0.9.0: it looks at neither the space map, nor the open era, nor a metadata snapshot, and
    /// rejects metadata that was formatted but never activated.</remarks>
    public static void EraCheck(string metadata) => Run("era_check", metadata).AssertSuccess();

    /// <summary>Fails unless era_check finds nothing wrong with the image of a metadata device. One that was never
    /// activated, and so has no blocks, is let through.</summary>
    public static void EraCheck(ReadOnlySpan<byte> image)
    {
        const int OffsetOfNrBlocks = 180;
        if (BinaryPrimitives.ReadUInt32LittleEndian(image[OffsetOfNrBlocks..]) == 0) return;
        using TempFolder folder = new();
        File.WriteAllBytes(folder["meta"], image);
        EraCheck(folder["meta"]);
    }

    /// <summary>What era_dump prints of a metadata file.</summary>
    /// <remarks>Of version 0.9.0: it leaves out an era that is still open, as after a crash, and with
    /// <c>--logical</c> takes the lowest instead of the highest era of blocks in several pending writesets.</remarks>
    public static string EraDump(string metadata, params string[] options) =>
        Run("era_dump", [.. options, metadata]).AssertSuccess().Output;

    /// <summary>The origin blocks that era_invalidate names, as ascending ranges with exclusive ends.</summary>
    /// <remarks>Of version 0.9.0: it leaves out an era that is still open, as after a crash, and with
    /// <c>--metadata-snapshot</c> reads the live state instead of the snapshot.</remarks>
    public static IReadOnlyList<(uint Begin, uint End)> EraInvalidate(string metadata, uint writtenSince) =>
        BlockRanges(Run("era_invalidate", "--written-since", $"{writtenSince}", metadata).AssertSuccess().Output);

    /// <summary>The ranges in a document of era_invalidate.</summary>
    public static IReadOnlyList<(uint Begin, uint End)> BlockRanges(string xml) =>
        [.. XElement.Parse(xml).Elements().Select(element => element.Name.LocalName switch
        {
            "block" => (Number(element, "block"), Number(element, "block") + 1),
            "range" => (Number(element, "begin"), Number(element, "end")),
            _ => throw new InvalidDataException($"<{element.Name}> in a list of blocks"),
        })];

    /// <summary>The blocks in a list of ranges.</summary>
    public static IEnumerable<uint> Blocks(IEnumerable<(uint Begin, uint End)> ranges)
    {
        foreach ((uint begin, uint end) in ranges)
        {
            for (uint block = begin; block < end; block++) yield return block;
        }
    }

    private static uint Number(XElement element, string attribute) =>
        uint.Parse(element.Attribute(attribute)!.Value, NumberStyles.None);
}

/// <summary>What a program that ended has left.</summary>
internal sealed record ProgramResult(string Command, int ExitCode, string Output, string Error)
{
    /// <summary>Fails unless the exit status is 0.</summary>
    public ProgramResult AssertSuccess()
    {
        Assert.True(ExitCode == 0, $"{Command}: exit status {ExitCode}\n{Output}{Error}");
        return this;
    }
}
