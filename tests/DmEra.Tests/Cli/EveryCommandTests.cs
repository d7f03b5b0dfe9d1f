using System.CommandLine;
using DmEra.Cli;

namespace DmEra.Tests.Cli;

/// <summary>What holds for the arguments of every command, those to come included.</summary>
public sealed class EveryCommandTests
{
    public static TheoryData<string> Commands => new(DmEra.Cli.Program.Root().Subcommands.Select(command => command.Name));

    [Theory, MemberData(nameof(Commands))]
    public void Help_ends_with_an_example(string name)
    {
        foreach (string option in new[] { "--help", "-h" })
        {
            CommandRun run = CommandRun.Of(name, option);

            Assert.Equal(ExitCode.Done, run.ExitCode);
            Assert.Empty(run.Error);
            Assert.Contains($"Examples:\n  ", run.Output, StringComparison.Ordinal);
            Assert.Contains($"era {name}", run.Output[run.Output.IndexOf("Examples:", StringComparison.Ordinal)..], StringComparison.Ordinal);
        }
    }

    [Theory, MemberData(nameof(Commands))]
    public void Help_describes_every_operand_and_option(string name)
    {
        Command command = Find(name);

        Assert.All(command.Arguments, operand => Assert.False(string.IsNullOrEmpty(operand.Description), operand.Name));
        Assert.All(command.Options, option => Assert.False(string.IsNullOrEmpty(option.Description), option.Name));
    }

    [Theory, MemberData(nameof(Commands))]
    public void Version_is_told_everywhere(string name) =>
        Assert.Equal(CommandRun.Of("--version").Output, CommandRun.Of(name, "-V").Output);

    [Theory, MemberData(nameof(Commands))]
    public void An_unknown_option_is_never_taken_for_a_file(string name)
    {
        string line = CommandRun.Of(name, "--hedgehogs-only").FailedWith(ExitCode.Usage);

        Assert.Contains("--hedgehogs-only", line, StringComparison.Ordinal);
        Assert.StartsWith($"era {name}: ", line);
        Assert.EndsWith($"; see 'era {name} --help'", line);
    }

    [Theory, MemberData(nameof(Commands))]
    public void One_operand_too_many_is_refused(string name)
    {
        IEnumerable<string> operands = Find(name).Arguments.Select(_ => "4096");
        string line = CommandRun.Of([name, .. operands, "surplus"]).FailedWith(ExitCode.Usage);

        Assert.Contains("'surplus'", line, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Commands))]
    public void A_missing_operand_is_named(string name)
    {
        Argument? operand = Find(name).Arguments.FirstOrDefault(operand => operand.Arity.MinimumNumberOfValues > 0);
        if (operand is null) return;

        Assert.Contains(operand.Name, CommandRun.Of(name).FailedWith(ExitCode.Usage), StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Commands))]
    public void An_empty_operand_is_refused(string name)
    {
        foreach (Argument operand in Find(name).Arguments)
        {
            string[] operands = [.. Find(name).Arguments.Select(other => other.Name == operand.Name ? "" : "4096")];
            CommandRun.Of([name, .. operands]).FailedWith(ExitCode.Usage);
        }
    }

    [Theory, MemberData(nameof(Commands))]
    public void An_option_without_its_value_is_refused(string name)
    {
        foreach (Option option in Find(name).Options.Where(option => option.Arity.MinimumNumberOfValues > 0))
        {
            string line = CommandRun.Of(name, option.Name).FailedWith(ExitCode.Usage);
            Assert.Contains(option.Name, line, StringComparison.Ordinal);
        }
    }

    private static Command Find(string name) =>
        DmEra.Cli.Program.Root().Subcommands.Single(command => command.Name == name);
}
