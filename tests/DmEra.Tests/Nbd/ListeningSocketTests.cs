using System.Net.Sockets;
using DmEra.Nbd;

namespace DmEra.Tests.Nbd;

public sealed class ListeningSocketTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Only_sockets_are_sockets()
    {
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(_folder["socket"]));
        File.CreateSymbolicLink(_folder["link"], _folder["socket"]);
        File.CreateSymbolicLink(_folder["dangling"], _folder["nothing"]);
        File.WriteAllText(_folder["file"], "");
        Directory.CreateDirectory(_folder["folder"]);
        Oracle.Run("mkfifo", _folder["pipe"]).AssertSuccess();

        Assert.True(ListeningSocket.IsSocket(_folder["socket"]));
        Assert.True(ListeningSocket.IsSocket(_folder["link"]));
        Assert.False(ListeningSocket.IsSocket(_folder["dangling"]));
        Assert.False(ListeningSocket.IsSocket(_folder["file"]));
        Assert.False(ListeningSocket.IsSocket(_folder["folder"]));
        Assert.False(ListeningSocket.IsSocket(_folder["pipe"]));
        Assert.False(ListeningSocket.IsSocket(_folder["nothing"]));
        Assert.False(ListeningSocket.IsSocket(_folder["file/below"]));
        Assert.False(ListeningSocket.IsSocket("/dev/null"));
    }

    [Theory]
    [InlineData("file")]
    [InlineData("folder")]
    [InlineData("dangling")]
    [InlineData("pipe")]
    public void What_is_no_socket_is_in_the_way_and_left_alone(string name)
    {
        File.WriteAllText(_folder["file"], "");
        Directory.CreateDirectory(_folder["folder"]);
        File.CreateSymbolicLink(_folder["dangling"], _folder["nothing"]);
        Oracle.Run("mkfifo", _folder["pipe"]).AssertSuccess();

        IOException refusal = Assert.Throws<IOException>(
            () => ListeningSocket.Open(new UnixDomainSocketEndPoint(_folder[name]), backlog: 1));

        Assert.StartsWith($"{_folder[name]}: exists and is not a socket", refusal.Message, StringComparison.Ordinal);
        Assert.True(Path.Exists(_folder[name]) || new FileInfo(_folder[name]).LinkTarget is not null);
    }
}
