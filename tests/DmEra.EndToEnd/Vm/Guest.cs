using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using DmEra.Tests;

namespace DmEra.EndToEnd.Vm;

/// <summary>
/// A throw-away Linux machine with the real kernel's device mapper, in software emulation, so that it runs anywhere.
/// It boots in some three seconds and then runs scripts, as root, with the programs that build-guest lists.
/// Nothing of it survives but its disks. It sees what listens on this machine's 127.0.0.1 as 10.0.2.2, once it has set up
/// its eth0.
/// </summary>
internal sealed class Guest : IDisposable
{
    private const char EndOfOutput = '\x04';

    private static readonly TimeSpan BuildLimit = TimeSpan.FromMinutes(5);
    private static readonly ConcurrentDictionary<string, Lazy<string[]>> KernelsAndInitramfs = new(StringComparer.Ordinal);

    private readonly TempFolder _folder = new();
    private readonly RunningProgram _machine;
    private readonly TimeSpan _scriptLimit;

    private Guest(GuestMachine machine, GuestDisk[] disks)
    {
        _scriptLimit = TimeSpan.FromMinutes(machine.ScriptMinutes);
        string[] kernelAndInitramfs = KernelsAndInitramfs.GetOrAdd(machine.KernelPackage, package => new(() => Build(package))).Value;
        List<string> arguments =
        [
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-m", $"{machine.MemoryMiB}",
            "-kernel", kernelAndInitramfs[0], "-initrd", kernelAndInitramfs[1],
            "-append", "console=ttyS0 quiet panic=-1 oops=panic mitigations=off nokaslr no_timer_check random.trust_cpu=on",
            "-serial", $"file:{_folder["kernel.log"]}",
            "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
            "-device", "virtio-serial-pci",
            "-chardev", "stdio,id=host,signal=off", "-device", "virtserialport,chardev=host",
        ];
        foreach (GuestDisk disk in disks)
        {
            arguments.AddRange(["-blockdev", $"node-name={disk.Name},{disk.BlockNode}"]);
            arguments.AddRange(["-device", $"virtio-blk-pci,drive={disk.Name},serial={disk.Name}"]);
        }

        _machine = new RunningProgram("qemu-system-x86_64", arguments);
    }

    /// <summary>Starts a machine with these disks and waits until it takes scripts.</summary>
    public static Guest Boot(params GuestDisk[] disks) => Boot(new GuestMachine(), disks);

    /// <summary>Starts a certain machine with these disks and waits until it takes scripts.</summary>
    public static Guest Boot(GuestMachine machine, params GuestDisk[] disks)
    {
        Guest guest = new(machine, disks);
        try
        {
            guest.Run("true");
            return guest;
        }
        catch
        {
            guest.Dispose();
            throw;
        }
    }

    /// <summary>Runs a shell script to its end; fails the test when its exit status is not 0.</summary>
    /// <returns>What it printed, errors included, without the last line's end.</returns>
    public string Run(string script) => string.Join('\n', Lines(script));

    /// <summary>Runs a shell script; fails the test when its exit status is 0.</summary>
    /// <returns>What it printed, errors included, without the last line's end.</returns>
    public string RunToFailure(string script) => Run($"! ( {script}\n)");

    /// <summary>Runs a shell script and hands on its lines as they come. Fails the test in the end when its exit
    /// status is not 0. Who stops reading earlier cannot run another script, only cut the power.</summary>
    public IEnumerable<string> Lines(string script)
    {
        long start = Stopwatch.GetTimestamp();
        _machine.WriteLine(Convert.ToBase64String(Encoding.UTF8.GetBytes(script)));
        StringBuilder output = new();
        while (true)
        {
            string line = NextLine();
            int end = line.IndexOf(EndOfOutput, StringComparison.Ordinal);
            string text = end < 0 ? line : line[..end];
            output.AppendLine(text);
            if (end < 0 || end > 0) yield return text;
            if (end < 0) continue;
            if (line[(end + 1)..] is not "0") throw Failure($"exit status {line[(end + 1)..]}");
            yield break;
        }

        string NextLine()
        {
            try { return _machine.ReadLine(_scriptLimit - Stopwatch.GetElapsedTime(start)) ?? throw Failure("the machine stopped"); }
            catch (TimeoutException) { throw Failure($"no end after {_scriptLimit.TotalSeconds} s"); }
        }

        Exception Failure(string what)
        {
            CutPower();
            return new InvalidOperationException(
                $"in the guest: {what}\n{script}\n--- it printed\n{output}" +
                $"--- kernel\n{File.ReadAllText(_folder["kernel.log"])}{_machine.Errors}");
        }
    }

    /// <summary>Stops the machine dead. What it had sent to its disks is there, what it had not is lost.</summary>
    public void CutPower() => _machine.Kill();

    /// <inheritdoc/>
    public void Dispose()
    {
        _machine.Dispose();
        _folder.Dispose();
    }

    private static string[] Build(string kernelPackage) =>
        Oracle.Run(BuildLimit, "bash", Path.Combine(AppContext.BaseDirectory, "Vm", "build-guest"), kernelPackage)
            .AssertSuccess().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
