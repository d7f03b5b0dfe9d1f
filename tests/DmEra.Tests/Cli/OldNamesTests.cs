using DmEra.Tests.Conventions;

namespace DmEra.Tests.Cli;

/// <summary>The scripts in bin/, which have the names of the tools that people know.</summary>
public sealed class OldNamesTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public OldNamesTests()
    {
        // A program that prints what it is called with stands in for era.
        Oracle.Run("cp", "-a", Path.Combine(Repository.Root, "bin"), _folder["bin"]).AssertSuccess();
        File.WriteAllText(_folder["era"], "#!/bin/sh\nprintf '<%s>' \"$@\"\nexit 7\n");
        Oracle.Run("chmod", "+x", _folder["era"]).AssertSuccess();
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("check", "-q", "--super-block-only", "a file")]
    [InlineData("dump", "--repair", "--logical", "-o", "-", "file")]
    [InlineData("restore", "-i", "", "-o", "file", "-q")]
    [InlineData("repair", "-i", "*", "-o", "$file")]
    [InlineData("invalidate", "--written-since", "4", "--metadata-snap", "file")]
    [InlineData("check", "-V")]
    [InlineData("invalidate", "-h")]
    public void An_old_name_is_the_command_of_that_name_with_the_same_arguments(string name, params string[] arguments)
    {
        string expected = string.Concat(new[] { name }.Concat(arguments).Select(word => $"<{word}>"));
        File.CreateSymbolicLink(_folder[$"era_{name}"], _folder[$"bin/era_{name}"]);

        foreach (string path in new[] { $"bin/era_{name}", $"era_{name}" })
        {
            ProgramResult result = Oracle.Run(_folder[path], arguments);
            Assert.Equal((7, expected, ""), (result.ExitCode, result.Output, result.Error));
        }
    }

    [Fact]
    public void Every_script_names_a_command()
    {
        IEnumerable<string> commands = DmEra.Cli.Program.Root().Subcommands.Select(command => $"era_{command.Name}");

        IEnumerable<string> names = Directory.GetFiles(_folder["bin"]).Select(path => Path.GetFileName(path)).Except(["era_tool"]);
        Assert.Equal(["era_check", "era_dump", "era_invalidate", "era_repair", "era_restore"], names.Order(StringComparer.Ordinal));
        Assert.Empty(names.Except(commands));
    }
}
