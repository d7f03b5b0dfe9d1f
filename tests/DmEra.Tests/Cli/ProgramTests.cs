using DmEra.Cli;

namespace DmEra.Tests.Cli;

public sealed class ProgramTests
{
    [Theory]
    [InlineData("--version")]
    [InlineData("-V")]
    public void Version_is_one_line(string option)
    {
        CommandRun run = CommandRun.Of(option);

        Assert.Equal(ExitCode.Done, run.ExitCode);
        Assert.Matches(@"^\d+\.\d+\.\d+\n$", run.Output);
        Assert.Empty(run.Error);
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("-h")]
    public void Help_goes_to_standard_output(string option)
    {
        CommandRun run = CommandRun.Of(option);

        Assert.Equal(ExitCode.Done, run.ExitCode);
        Assert.Contains("Usage:", run.Output, StringComparison.Ordinal);
        Assert.Empty(run.Error);
    }

    [Theory]
    [InlineData("era: Required command was not provided; see 'era --help'")]
    [InlineData("era: unrecognized command or argument 'frobnicate'; see 'era --help'", "frobnicate")]
    [InlineData("era: unrecognized command or argument '--nope'; see 'era --help'", "--nope")]
    [InlineData("era check: unrecognized command or argument '--nope'; see 'era check --help'", "check", "--nope", "disk.era")]
    [InlineData("era: Required command was not provided; see 'era --help'", "[suggest]")]
    [InlineData("era: unrecognized command or argument '/?'; see 'era --help'", "/?")]
    [InlineData(
        "era changed: Argument 'csv' not recognized. Must be one of: 'xml' 'json' 'ranges'; see 'era changed --help'", "changed", "d", "--since", "1", "--format", "csv")]
    [InlineData("era: unrecognized command or argument '@file'; see 'era --help'", "@file")]
    public void A_wrong_command_line_is_one_line_and_exit_code_2(string line, params string[] arguments) =>
        Assert.Equal(line, CommandRun.Of(arguments).FailedWith(ExitCode.Usage));

    [Theory]
    [InlineData("changed", "d", "--since", "")]
    [InlineData("changed", "d", "--since", "-1")]
    [InlineData("changed", "d", "--since", "4294967296")]
    [InlineData("changed", "d", "--since", "1", "--format", "yaml")]
    [InlineData("changed", "d")]
    [InlineData("resize", "d", "big")]
    [InlineData("resize", "d", "0")]
    [InlineData("message", "d", "--checkpoint")]
    [InlineData("serve")]
    [InlineData("serve", "disk", "--size", "1Q")]
    [InlineData("serve", "disk", "--block-size", "0")]
    [InlineData("serve", "disk", "--listen", "tcp:10809")]
    [InlineData("serve", "disk", "--listen", "udp:localhost:1")]
    [InlineData("serve", "disk", "--listen", "unix:")]
    [InlineData("serve", "disk", "--listen", "tcp:localhost:65536")]
    [InlineData("serve", "disk", "--name", "a/b")]
    [InlineData("serve", "disk", "--metadata", "")]
    [InlineData("serve", "disk", "--table", "0 8 era m o 8")]
    [InlineData("serve", "--size", "1G", "--table", "0 8 era m o 8")]
    [InlineData("serve", "--table", "0 8 era m o")]
    [InlineData("serve", "--table", "0 8 linear o 0")]
    [InlineData("serve", "--table", "0 8 era m o 9")]
    public void Values_that_make_no_sense_are_refused_before_anything_is_touched(params string[] arguments) =>
        CommandRun.Of(arguments).FailedWith(ExitCode.Usage);

    [Fact]
    public void A_full_disk_below_the_output_is_one_line()
    {
        using FileStream full = new("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        using StringWriter error = new();
        StreamWriter output = new(full);

        Assert.Equal(ExitCode.Failed, DmEra.Cli.Program.Run(["--version"], output, error));
        Assert.Matches("^era: /dev/full: No space left on device.*\n$", error.ToString());
    }
}
