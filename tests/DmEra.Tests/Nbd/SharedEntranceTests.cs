using System.Net;
using System.Net.Sockets;
using DmEra.Devices;
using DmEra.Nbd;
using DmEra.Nbd.Client;

namespace DmEra.Tests.Nbd;

/// <summary>A server that stands in front of others, one for each device.</summary>
public sealed class SharedEntranceTests : IDisposable
{
    private const int Size = 1 << 20;

    private readonly TempFolder _folder = new();
    private readonly RecordingLog _log = new();
    private readonly NbdServer _front;
    private readonly HookedDevice _firstDevice = new(Size);
    private readonly HookedDevice _secondDevice = new(2 * Size);
    private readonly NbdServer _first;
    private readonly NbdServer _second;

    public SharedEntranceTests()
    {
        _front = new NbdServer([], new NbdServerOptions { Log = _log });
        _front.Listen(new UnixDomainSocketEndPoint(_folder["nbd"]));
        NbdServerOptions options = new() { MaxConnections = 2, DrainTimeout = TimeSpan.FromSeconds(2), Log = _log };
        _first = new NbdServer([new NbdExport("first", _firstDevice, new BlockStatusCatalog())], options);
        _second = new NbdServer([new NbdExport("second", _secondDevice, new BlockStatusCatalog())], options);
        _front.Add(_first);
        _front.Add(_second);
    }

    public void Dispose()
    {
        _front.Dispose();
        _first.Dispose();
        _second.Dispose();
        _firstDevice.Dispose();
        _secondDevice.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_list_names_all_exports_and_the_name_chooses_one()
    {
        string list = Oracle.Run("nbdinfo", "--list", Uri("")).AssertSuccess().Output;
        Assert.Contains("export=\"first\"", list, StringComparison.Ordinal);
        Assert.Contains("export=\"second\"", list, StringComparison.Ordinal);

        using NbdBlockDevice first = Open("first");
        using NbdBlockDevice second = Open("second");
        Assert.Equal((Size, 2 * Size), (first.Length, second.Length));
        second.Write(4096, [1, 2, 3]);
        byte[] read = new byte[3];
        _secondDevice.Read(4096, read);
        Assert.Equal([1, 2, 3], read);
    }

    [Fact]
    public void Neither_an_unknown_name_nor_the_empty_one_means_anything_where_there_are_several()
    {
        Assert.Contains("no export is called", Assert.ThrowsAny<IOException>(() => Open("third")).Message, StringComparison.Ordinal);
        Assert.ThrowsAny<IOException>(() => Open(""));
    }

    [Fact]
    public void Clients_are_counted_by_the_server_of_their_export_alone()
    {
        using NbdBlockDevice one = Open("first");
        using NbdBlockDevice two = Open("first");
        Wait.Until(() => (_front.ConnectionCount, _first.ConnectionCount, _second.ConnectionCount) == (0, 2, 0));

        Assert.Contains("2 clients are served already", Assert.ThrowsAny<IOException>(() => Open("first")).Message, StringComparison.Ordinal);
        using NbdBlockDevice other = Open("second");
        other.Flush();
    }

    [Fact]
    public void A_server_that_was_removed_keeps_its_clients_until_it_is_stopped_and_gets_no_more()
    {
        using NbdBlockDevice first = Open("first");
        using NbdBlockDevice second = Open("second");
        _front.Remove(_first);

        Assert.ThrowsAny<IOException>(() => Open("first"));
        first.Write(0, [1]);
        _first.Stop();
        second.Write(0, [1]);
        Assert.Equal((0, 1), (_first.ConnectionCount, _second.ConnectionCount));
    }

    [Fact]
    public void The_front_may_be_stopped_while_clients_of_the_others_go_on()
    {
        using NbdBlockDevice first = Open("first");
        _front.Stop();

        first.Write(0, [1]);
        Assert.ThrowsAny<IOException>(() => Open("second"));
    }

    [Fact]
    public void Other_limits_hold_for_clients_that_are_still_to_come()
    {
        using NbdBlockDevice before = Open("first");
        _first.Change(new NbdServerOptions { MaxConnections = 1 });

        Assert.ThrowsAny<IOException>(() => Open("first"));
        before.Flush();
        Assert.Throws<ArgumentException>(() => _first.Change(new NbdServerOptions { AllowedNetworks = [IPNetwork.Parse("0.0.0.0/0")] }));
    }

    private NbdBlockDevice Open(string export) => NbdBlockDevice.Open(NbdUri.Parse(Uri(export)), new NbdClientOptions { Connections = 1 });

    private string Uri(string export) => $"nbd+unix:///{export}?socket={_folder["nbd"]}";
}
