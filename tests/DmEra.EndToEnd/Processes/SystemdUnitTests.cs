using System.Text.RegularExpressions;
using DmEra.Tests;
using DmEra.Tests.Conventions;

namespace DmEra.EndToEnd.Processes;

/// <summary>What systemd's own tools say of the units.</summary>
public sealed partial class SystemdUnitTests : IDisposable
{
    private const string InstalledProgram = "/usr/bin/era";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Units_are_without_fault()
    {
        string service = Instance("era@disk.service");
        string socket = Instance("era@disk.socket");
        string many = Instance("era.service");

        ProgramResult result = Oracle.Run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", service, socket, many);

        Assert.Equal("", result.AssertSuccess().Error);
    }

    [Fact]
    public void Sandbox_leaves_little_exposed()
    {
        // From 0 to 100; a service without any of the options has 96.
        const string Tolerated = "25";

        Oracle.Run("systemd-analyze", "security", "--offline=true", $"--threshold={Tolerated}", Instance("era@disk.service"))
            .AssertSuccess();
    }

    [Fact]
    public void Sandbox_allows_every_system_call_that_a_life_takes()
    {
        string trace = _folder["trace"];
        string script = $"exec strace -f -qq -o {trace} \"$0\" serve {_folder["disk"]} --size 16M --listen tcp:127.0.0.1:0";
        using (RunningProgram traced = new("sh", ["-c", script, EraServer.Program], ("ERA_RUNTIME_DIR", _folder["run"])))
        {
            string uri = traced.ReadLine(TimeSpan.FromSeconds(60))!;
            while (traced.ReadLine(TimeSpan.FromSeconds(60)) is not "ready")
            {
            }

            Oracle.NbdShell(uri, "h.pwrite(b'x' * 300000, 7); h.pread(300000, 0); h.zero(65536, 0); h.trim(65536, 65536); h.flush()").AssertSuccess();
            Oracle.Run("nbdinfo", "--map", uri).AssertSuccess();
            EraServer.Run(_folder, "checkpoint", "disk").AssertSuccess();
            EraServer.Run(_folder, "changed", "disk", "--since", "1").AssertSuccess();
            EraServer.Run(_folder, "stop", "disk").AssertSuccess();
            traced.AwaitExit(TimeSpan.FromSeconds(60));
        }

        IEnumerable<string> allowed = Expand("@system-service").Except(Expand("@privileged"));
        IEnumerable<string> used = File.ReadLines(trace)
            .Select(line => SystemCall().Match(line)).Where(match => match.Success).Select(match => match.Groups[1].Value).Distinct();

        Assert.Empty(used.Except(allowed));
    }

    // A set, and the sets in it.
    private static IEnumerable<string> Expand(string set) => Oracle.Run("systemd-analyze", "syscall-filter", set)
        .AssertSuccess().Output.Split('\n').Select(line => line.Trim())
        .Where(line => line.Length > 0 && line[0] != '#' && line != set)
        .SelectMany(line => line[0] == '@' ? Expand(line) : [line]);

    [GeneratedRegex(@"^\d+\s+(?:<\.\.\. )?(\w+)(?:\(| resumed)")]
    private static partial Regex SystemCall();

    // The program is where the test's is, not where a package would put it.
    private string Instance(string unit)
    {
        string template = Repository.Read($"packaging/systemd/{unit.Replace("disk", "", StringComparison.Ordinal)}");
        File.WriteAllText(
            _folder[unit], template.Replace(InstalledProgram, EraServer.Program, StringComparison.Ordinal));
        return _folder[unit];
    }
}
