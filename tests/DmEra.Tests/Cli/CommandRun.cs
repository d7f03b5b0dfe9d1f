using System.Text;

namespace DmEra.Tests.Cli;

/// <summary>One command line, run inside the test process.</summary>
internal sealed record CommandRun(int ExitCode, string Output, string Error)
{
    public static CommandRun Of(params string[] arguments)
    {
        using MemoryStream printed = new();
        using StreamWriter output = new(printed);
        using StringWriter error = new();
        int exitCode = DmEra.Cli.Program.Run(arguments, output, error);
        return new CommandRun(exitCode, Encoding.UTF8.GetString(printed.ToArray()), error.ToString());
    }

    /// <summary>Asserts that the command failed with one line on stderr, and returns that line.</summary>
    public string FailedWith(int exitCode)
    {
        Assert.True(ExitCode == exitCode, $"exit code {ExitCode}, not {exitCode}; stderr: {Error}");
        Assert.Empty(Output);
        Assert.EndsWith("\n", Error);
        string line = Error[..^1];
        Assert.DoesNotContain('\n', line);
        Assert.DoesNotContain("internal error", line);
        return line;
    }
}
