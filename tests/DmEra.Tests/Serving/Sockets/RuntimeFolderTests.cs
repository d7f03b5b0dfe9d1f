using DmEra.Serving;
using DmEra.Serving.Sockets;

namespace DmEra.Tests.Serving.Sockets;

public sealed class RuntimeFolderTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Is_made_for_its_owner_only()
    {
        RuntimeFolder runtime = new(_folder["a/b"]);
        runtime.Create();

        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
            File.GetUnixFileMode(runtime.Path));
        runtime.Create();
    }

    [Fact]
    public void Is_refused_where_others_could_replace_the_sockets()
    {
        Directory.CreateDirectory(_folder["open"]);
        File.SetUnixFileMode(_folder["open"], UnixFileMode.UserWrite | UnixFileMode.OtherWrite);

        string message = Assert.Throws<ServingException>(new RuntimeFolder(_folder["open"]).Create).Message;
        Assert.Contains("one of your own", message, StringComparison.Ordinal);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Is_refused_where_it_belongs_to_somebody_else(bool isLink)
    {
        // 0755: others may not write to it; but its owner can change that, and what is in it.
        Directory.CreateDirectory(_folder["theirs"]);
        File.CreateSymbolicLink(_folder["link"], "theirs");
        string path = _folder[isLink ? "link" : "theirs"];
        File.WriteAllText(_folder["theirs/disk.ctl"], "");
        Oracle.Run("chown", "-h", "64123", path).AssertSuccess();
        RuntimeFolder runtime = new(path);

        Action[] uses = [runtime.Create, () => runtime.ControlSockets(), () => runtime.FindControlSocket("disk")];
        Assert.All(
            uses,
            use => Assert.StartsWith($"{path}: belongs to another user (id 64123); ", Assert.Throws<ServingException>(use).Message, StringComparison.Ordinal));
    }

    [Fact]
    public void Commands_refuse_a_folder_where_others_could_have_put_the_sockets()
    {
        File.WriteAllText(_folder["disk.ctl"], "");
        File.SetUnixFileMode(_folder.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherWrite);

        Assert.Contains(
            "others may write", Assert.Throws<ServingException>(() => new RuntimeFolder(_folder.Path).FindControlSocket("disk")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Is_refused_where_it_cannot_be()
    {
        File.WriteAllText(_folder["file"], "");

        string message = Assert.Throws<ServingException>(new RuntimeFolder(_folder["file"]).Create).Message;
        Assert.Contains("ERA_RUNTIME_DIR", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Lists_control_sockets_only_in_order()
    {
        RuntimeFolder runtime = new(_folder.Path);
        foreach (string name in new[] { "b.ctl", "a.nbd", "a.ctl" }) File.WriteAllText(_folder[name], "");

        Assert.Equal([runtime.ControlSocket("a"), runtime.ControlSocket("b")], runtime.ControlSockets());
        Assert.Empty(new RuntimeFolder(_folder["missing"]).ControlSockets());
    }

    [Theory]
    [InlineData("disk.img")]
    [InlineData("my disk, ä")]
    public void Names_may_be_those_of_files(string name) => Assert.True(RuntimeFolder.IsName(name));

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("-x")]
    [InlineData("a\nb")]
    [InlineData("a\0b")]
    public void Names_that_cannot_be_part_of_a_path_are_refused(string name) =>
        Assert.False(RuntimeFolder.IsName(name));

    [Fact]
    public void Names_longer_than_a_file_name_are_refused()
    {
        Assert.True(RuntimeFolder.IsName(new string('x', 251)));
        Assert.False(RuntimeFolder.IsName(new string('ä', 126)));
    }
}
