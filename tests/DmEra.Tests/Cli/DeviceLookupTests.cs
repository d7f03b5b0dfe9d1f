using System.Net.Sockets;
using DmEra.Cli;

namespace DmEra.Tests.Cli;

public sealed class DeviceLookupTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_unknown_name_is_one_line() => Assert.Equal(
        "era: no-such-device: no such device is being served; 'era ls' lists those that are",
        CommandRun.Of("status", "no-such-device").FailedWith(ExitCode.Failed));

    [Fact]
    public void A_socket_left_by_a_crash_is_told_apart()
    {
        using (Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            socket.Bind(new UnixDomainSocketEndPoint(_folder["bound.ctl"]));
            File.Move(_folder["bound.ctl"], _folder["dead.ctl"]);   // closing the socket removes only the old name
        }

        Assert.Equal(
            $"era: {_folder["dead.ctl"]}: nobody serves there any more; start it again with 'era serve'",
            CommandRun.Of("status", _folder["dead.ctl"]).FailedWith(ExitCode.Failed));
    }

    [Fact]
    public void A_socket_that_speaks_something_else_is_one_line()
    {
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(_folder["nbd"]));
        socket.Listen();
        Thread peer = new(() =>
        {
            using Socket client = socket.Accept();
            client.Receive(new byte[4096]);
            client.Send("NBDMAGICIHAVEOPT\0\u0003"u8);
        });
        peer.Start();

        string line = CommandRun.Of("status", _folder["nbd"]).FailedWith(ExitCode.Failed);
        peer.Join();
        Assert.StartsWith($"era: {_folder["nbd"]}: ", line);
    }

    [Fact]
    public void A_file_is_no_device()
    {
        File.WriteAllText(_folder["disk"], "");

        Assert.Equal(
            $"era: {_folder["disk"]}: no such device is being served; 'era ls' lists those that are",
            CommandRun.Of("status", _folder["disk"]).FailedWith(ExitCode.Failed));
    }
}
