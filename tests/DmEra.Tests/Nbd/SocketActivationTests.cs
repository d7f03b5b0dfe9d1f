using System.Net.Sockets;
using DmEra.Devices;
using DmEra.Nbd;
using Microsoft.Win32.SafeHandles;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd;

public sealed class SocketActivationTests
{
    [Fact]
    public void Sockets_that_were_passed_are_listened_at()
    {
        using TempFolder folder = new();
        Socket opened = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        opened.Bind(new UnixDomainSocketEndPoint(folder["passed.sock"]));
        opened.Listen();
        int descriptor = (int)opened.SafeHandle.DangerousGetHandle();
        opened.SafeHandle.SetHandleAsInvalid();     // it is the taker's from here on

        Socket taken = Assert.Single(SocketActivation.TakeSockets(Passed("77", "1"), 77, descriptor));
        using (NbdServer server = new(
            [new NbdExport("", new MemoryBlockDevice(4096), new BlockStatusCatalog())], new NbdServerOptions()))
        {
            server.Listen(taken);
            using RawClient client = Connected(new UnixDomainSocketEndPoint(folder["passed.sock"]));
            client.ExpectAlive();
        }

        Assert.True(File.Exists(folder["passed.sock"]), "the service manager's socket file was removed");
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData(null, "1")]
    [InlineData("78", "1")]
    [InlineData("x", "1")]
    [InlineData("77", "0")]
    public void Nothing_is_taken_that_was_not_passed_to_this_process(string? process, string? count) =>
        Assert.Empty(SocketActivation.TakeSockets(Passed(process, count), 77, 3));

    [Fact]
    public void What_is_no_listening_socket_is_refused_and_closed_at_once()
    {
        using TempFolder folder = new();
        SafeFileHandle file = File.OpenHandle(folder["file"], FileMode.Create, FileAccess.Write);
        int descriptor = (int)file.DangerousGetHandle();
        file.SetHandleAsInvalid();      // it is the taker's from here on

        Assert.Throws<IOException>(() => SocketActivation.TakeSockets(Passed("77", "1"), 77, descriptor));

        Assert.DoesNotContain(folder["file"], OpenFiles());
    }

    [Fact]
    public void A_count_of_sockets_is_a_number() =>
        Assert.Throws<IOException>(() => SocketActivation.TakeSockets(Passed("77", "many"), 77, 3));

    private static List<string> OpenFiles()
    {
        List<string> files = [];
        foreach (string link in Directory.GetFiles("/proc/self/fd"))
        {
            try { files.Add(File.ResolveLinkTarget(link, returnFinalTarget: false)?.FullName ?? ""); }
            catch (IOException) { /* Another test has closed it meanwhile. */ }
        }

        return files;
    }

    private static Func<string, string?> Passed(string? process, string? count) => name => name switch
    {
        "LISTEN_PID" => process,
        "LISTEN_FDS" => count,
        _ => null,
    };
}
