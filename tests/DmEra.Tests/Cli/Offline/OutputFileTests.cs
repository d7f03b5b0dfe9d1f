using System.CommandLine;
using DmEra.Cli.Offline;

namespace DmEra.Tests.Cli.Offline;

public sealed class OutputFileTests : IDisposable
{
    private static readonly ParseResult Nothing = new RootCommand().Parse([]);

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_appears_when_it_is_whole()
    {
        using (OutputFile output = OutputFile.Open(Nothing, _folder["out"]))
        {
            output.Stream.Write("text"u8);
            Assert.False(File.Exists(_folder["out"]));
            output.Complete();
        }

        Assert.Equal("text", File.ReadAllText(_folder["out"]));
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void A_file_that_is_not_completed_leaves_the_old_one()
    {
        File.WriteAllText(_folder["out"], "old");

        using (OutputFile output = OutputFile.Open(Nothing, _folder["out"])) output.Stream.Write("half"u8);

        Assert.Equal("old", File.ReadAllText(_folder["out"]));
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void A_link_stays_a_link()
    {
        File.WriteAllText(_folder["target"], "old");
        File.CreateSymbolicLink(_folder["link"], _folder["target"]);

        using (OutputFile output = OutputFile.Open(Nothing, _folder["link"]))
        {
            output.Stream.Write("new"u8);
            output.Complete();
        }

        Assert.NotNull(new FileInfo(_folder["link"]).LinkTarget);
        Assert.Equal("new", File.ReadAllText(_folder["target"]));
    }

    [Fact]
    public void A_device_is_written_to_as_it_is_by_several_at_once()
    {
        using OutputFile another = OutputFile.Open(Nothing, "/dev/null");
        using (OutputFile output = OutputFile.Open(Nothing, "/dev/null"))
        {
            output.Stream.Write("text"u8);
            output.Complete();
        }

        Assert.Equal(["/dev/null"], Directory.GetFiles("/dev", "null*"));
    }
}
