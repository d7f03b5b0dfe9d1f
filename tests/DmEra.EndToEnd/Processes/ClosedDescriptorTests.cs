using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>Whoever starts a program may have closed what it writes to and reads from, or it may be full: every command ends, and says
/// so in one line where it can.</summary>
public sealed class ClosedDescriptorTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly TempFolder _folder = new();

    public ClosedDescriptorTests()
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", "1M");
        server.Terminate();
        EraServer.Run(_folder, "backup", _folder["disk"], "--to", _folder["repository"]).AssertSuccess();
        EraServer.Run(_folder, "dump", "-o", _folder["xml"], _folder["disk.era"]).AssertSuccess();
    }

    public static TheoryData<string> Commands { get; } =
    [
        "dump disk.era", "dump -o /dev/stdout disk.era", "dump -o /dev/fd/1 disk.era", "check disk.era", "check --json disk.era",
        "invalidate --written-since 0 disk.era", "backups repository", "backups repository --json", "verify repository", "ls", "ls --json",
        "--help", "--version", "serve --help", "labels disk", "restore -i xml -o new.$$", "repair -i disk.era -o repaired.$$",
        "restore-image repository --to restored.$$", "backup disk --to repository", "prune repository --keep-last 1",
        "export repository -o exported.$$.raw", "status nobody", "changed nobody --since 1",
    ];

    public void Dispose() => _folder.Dispose();

    [Theory, MemberData(nameof(Commands))]
    public void A_command_whose_standard_output_is_closed_ends_and_says_so_when_it_has_something_to_print(string command)
    {
        ProgramResult whole = Run($"{command}");
        ProgramResult closed = Run($"{command} >&-");
        ProgramResult full = Run($"{command} >/dev/full");

        foreach (ProgramResult result in (ProgramResult[])[closed, full])
        {
            bool isLost = whole.ExitCode == 0 && whole.Output.Length > 0;
            Assert.Equal(isLost ? 1 : whole.ExitCode, result.ExitCode);
            if (isLost) Assert.Matches("era: .*(Bad file descriptor|No space left on device)\n$", result.Error);
            Assert.DoesNotContain("internal error", result.Error, StringComparison.Ordinal);
        }
    }

    [Theory, MemberData(nameof(Commands))]
    public void A_command_whose_standard_error_is_closed_or_full_does_what_it_does(string command)
    {
        ProgramResult whole = Run($"{command} 2>/dev/null");

        foreach (string error in (string[])["2>/dev/full", "<&- 2>&-"])
        {
            ProgramResult result = Run($"{command} {error}");
            Assert.Equal(whole.ExitCode, result.ExitCode);
            Assert.Equal(whole.Output.Length > 0, result.Output.Length > 0);
        }
    }

    [Theory]
    [InlineData("restore -i /dev/stdin -o new.era <&-")]
    [InlineData("restore -i /dev/fd/0 -o new.era <&-")]
    [InlineData("restore -i /proc/self/fd/0 -o new.era <&-")]
    [InlineData("restore -i /dev/fd/9 -o new.era")]
    [InlineData("backups repository --passphrase-file /dev/stdin <&-")]
    [InlineData("dump -o /dev/fd/9 disk.era")]
    public void What_is_not_open_is_neither_read_nor_written_whatever_has_its_number(string command)
    {
        ProgramResult result = Run(command);

        Assert.Equal(1, result.ExitCode);
        Assert.Matches("^era: .*Bad file descriptor\n$", result.Error);
    }

    [Fact]
    public void A_server_without_standard_output_and_error_serves()
    {
        using EraServer server = EraServer.StartThrough(_folder, "exec 2>&-", _folder["disk"]);

        Oracle.NbdShell(server.Uri, "h.pwrite(b'x' * 512, 0)").AssertSuccess();
    }

    // Files are named within the folder.
    private ProgramResult Run(string command) => Oracle.Run(
        Limit, "sh", "-c", $"cd \"$0\"; export ERA_RUNTIME_DIR=\"$0/run\"; exec \"$1\" {command}", _folder.Path, EraServer.Program);
}
