using System.Net.Sockets;
using DmEra.Serving.Sockets;

namespace DmEra.Tests.Serving.Sockets;

public sealed class SocketOwnerTests : IDisposable
{
    private static readonly string Era = Path.Combine(AppContext.BaseDirectory, "era");

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void This_user_is_who_the_system_says() =>
        Assert.Equal(Oracle.Run("id", "-u").AssertSuccess().Output.Trim(), $"{SocketOwner.Me}");

    [Fact]
    public void A_server_of_another_user_is_not_believed()
    {
        // It says yes to everything. Whoever asks is somebody without any rights.
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        string path = _folder["disk.ctl"];
        string script = """
            import os, socket, sys
            os.setuid(64124)
            server = socket.socket(socket.AF_UNIX)
            server.bind(sys.argv[1])
            os.chmod(sys.argv[1], 0o777)
            server.listen(8)
            print("up", flush=True)
            while True:
                client, _ = server.accept()
                request = client.recv(65536)
                if request: print(request.split(b" ")[0], flush=True)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"era\": 42}\n")
                client.close()
            """;
        File.SetUnixFileMode(_folder.Path, (UnixFileMode)0b111_111_111);
        string commands = """
            cd "$1"
            python3 -c "$3" "$1/disk.ctl" >requests & server=$!
            until grep -q up requests; do kill -0 $server || exit; done
            setpriv --reuid=64123 --regid=64123 --clear-groups env HOME="$1" "$2" checkpoint "$1/disk.ctl"
            echo $?
            cat requests
            kill $server
            """;

        ProgramResult result = Oracle.Run("bash", "-c", commands, "bash", _folder.Path, Era, script);

        Assert.Equal("1\nup\n", result.Output);
        Assert.Contains($"era: {path}: served by another user (id 64124)", result.Error, StringComparison.Ordinal);
    }
}
