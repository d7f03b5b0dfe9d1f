using System.CommandLine;
using DmEra.Cli;
using DmEra.Cli.Offline;
using DmEra.Devices;

namespace DmEra.Tests.Cli.Offline;

public sealed class OutputFileTests : IDisposable
{
    private static readonly ParseResult Nothing = new RootCommand().Parse([]);

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_appears_when_it_is_whole()
    {
        using (OutputFile output = Open("out"))
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

        using (OutputFile output = Open("out")) output.Stream.Write("half"u8);

        Assert.Equal("old", File.ReadAllText(_folder["out"]));
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void A_link_stays_a_link()
    {
        File.WriteAllText(_folder["target"], "old");
        File.CreateSymbolicLink(_folder["link"], _folder["target"]);

        using (OutputFile output = Open("link"))
        {
            output.Stream.Write("new"u8);
            output.Complete();
        }

        Assert.NotNull(new FileInfo(_folder["link"]).LinkTarget);
        Assert.Equal("new", File.ReadAllText(_folder["target"]));
    }

    [Fact]
    public void A_link_without_a_target_gets_one()
    {
        File.CreateSymbolicLink(_folder["link"], "not/yet");
        Directory.CreateDirectory(_folder["not"]);

        using (OutputFile output = Open("link"))
        {
            output.Stream.Write("new"u8);
            output.Complete();
        }

        Assert.Equal("new", File.ReadAllText(_folder["not/yet"]));
        Assert.Equal("not/yet", new FileInfo(_folder["link"]).LinkTarget);
    }

    [Theory, InlineData("input"), InlineData("link"), InlineData("hard"), InlineData("./../input")]
    public void An_input_is_no_output_by_any_of_its_names(string name)
    {
        File.WriteAllText(_folder["input"], new string('x', 512));
        File.CreateSymbolicLink(_folder["link"], "input");
        Oracle.Run("bash", "-c", "ln \"$1\" \"$2\"", "bash", _folder["input"], _folder["hard"]).AssertSuccess();
        using FileBlockDevice input = FileBlockDevice.OpenShared(_folder["input"]);
        string path = name is "./../input" ? $"{_folder.Path}/../{Path.GetFileName(_folder.Path)}/input" : _folder[name];

        CommandException fault = Assert.Throws<CommandException>(
            () => OutputFile.Open(Nothing, path, CancellationToken.None, input));

        Assert.Equal($"{path}: in use; the output must be neither a running device's nor the input", fault.Message);
        Assert.Equal(new string('x', 512), File.ReadAllText(_folder["input"]));
        Assert.Equal(3, Directory.GetFiles(_folder.Path).Length);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void What_somebody_has_open_as_a_disk_is_no_output(bool isWriter)
    {
        File.WriteAllText(_folder["disk"], new string('x', 512));
        using FileBlockDevice disk = isWriter ? FileBlockDevice.Open(_folder["disk"]) : FileBlockDevice.OpenReadOnly(_folder["disk"]);

        Assert.Contains("in use", Assert.Throws<CommandException>(() => Open("disk")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite)]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead)]
    public void A_file_that_is_replaced_keeps_its_mode(UnixFileMode mode)
    {
        File.WriteAllText(_folder["out"], "old");
        File.SetUnixFileMode(_folder["out"], mode);

        using (OutputFile output = Open("out"))
        {
            string unfinished = Directory.GetFiles(_folder.Path, "out.*.new").Single();
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(unfinished));
            output.Complete();
        }

        Assert.Equal(mode, File.GetUnixFileMode(_folder["out"]));
    }

    [Fact]
    public void A_device_is_written_to_as_it_is_by_several_at_once()
    {
        using OutputFile another = OutputFile.Open(Nothing, "/dev/null", CancellationToken.None);
        using (OutputFile output = OutputFile.Open(Nothing, "/dev/null", CancellationToken.None))
        {
            output.Stream.Write("text"u8);
            output.Complete();
        }

        Assert.Equal(["/dev/null"], Directory.GetFiles("/dev", "null*"));
    }

    private OutputFile Open(string name) => OutputFile.Open(Nothing, _folder[name], CancellationToken.None);
}
