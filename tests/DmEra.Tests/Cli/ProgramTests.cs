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
    [InlineData("era: unrecognized command or argument 'frobnicate'; see 'era --help'", "frobnicate")]
    [InlineData("era: unrecognized command or argument '--nope'; see 'era --help'", "--nope")]
    [InlineData("era: unrecognized command or argument '/?'; see 'era --help'", "/?")]
    [InlineData("era: unrecognized command or argument '@file'; see 'era --help'", "@file")]
    public void A_wrong_command_line_is_one_line_and_exit_code_2(string line, params string[] arguments) =>
        Assert.Equal(line, CommandRun.Of(arguments).FailedWith(ExitCode.Usage));
}
