using System.Collections.Concurrent;
using DmEra.Nbd;
using DmEra.Nbd.Client;
using DmEra.Serving;
using DmEra.Serving.FrontEnds;
using DmEra.Serving.Hosting;
using DmEra.Serving.Sockets;
using DmEra.Tests.Nbd;

namespace DmEra.Tests.Serving.Hosting;

public sealed class DeviceHostTests : IDisposable
{
    private const long Size = 1 << 20;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly TempFolder _folder = new();
    private readonly ConcurrentQueue<string> _log = new();
    private readonly DeviceHost _host;

    public DeviceHostTests()
    {
        _host = new DeviceHost(new HostSettings { Listen = [ListenAddress.Unix(_folder["nbd"])] }, control: null, _log.Enqueue);
        _host.Open();
    }

    public void Dispose()
    {
        _host.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Devices_are_served_side_by_side_and_each_has_eras_of_its_own()
    {
        ServedDevice one = _host.Attach(Settings("one"));
        _host.Attach(Settings("two"));
        using (NbdBlockDevice client = Open("one")) client.Write(0, new byte[4096]);
        one.Target.Checkpoint();

        Assert.Equal([("one", 2u), ("two", 1u)], _host.Devices.Select(device => (device.Name, device.Target.Status.CurrentEra)));
        Assert.Equal([$"nbd+unix:///one?socket={_folder["nbd"]}"], one.Describe().Endpoints);
    }

    [Fact]
    public void A_name_an_origin_and_metadata_belong_to_one_device()
    {
        _host.Attach(Settings("one"));
        File.CreateSymbolicLink(_folder["link"], _folder["one"]);

        Assert.Contains("attached already", Refusal(Settings("one")), StringComparison.Ordinal);
        Assert.Equal($"two: {_folder["link"]} is in use by one already", Refusal(Settings("two") with { Origin = _folder["link"] }));
        Assert.Equal($"two: {_folder["one.era"]} is in use by one already", Refusal(Settings("two") with { Metadata = _folder["one.era"] }));
        Assert.Equal($"two: {_folder["one.era"]} is in use by one already", Refusal(Settings("two") with { Origin = _folder["one.era"] }));
        Assert.False(File.Exists(_folder["two.era"]));
        Assert.Single(_host.Devices);
    }

    [Fact]
    public void One_that_cannot_be_served_leaves_nothing_behind_and_its_name_free()
    {
        Assert.Contains("no such file", Refusal(Settings("one") with { Size = null }), StringComparison.Ordinal);

        _host.Attach(Settings("one"));
        Assert.Contains("has no address", Refusal(Settings("two"), new DeviceHost(new HostSettings(), null, _log.Enqueue)), StringComparison.Ordinal);
        Assert.Equal(["nbd", "one", "one.era"], Directory.GetFiles(_folder.Path).Select(Path.GetFileName).Where(name => !name!.Contains("chronicle", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_detached_device_is_at_rest_and_can_be_attached_again()
    {
        _host.Attach(Settings("one"));
        _host.Detach("one", force: false);

        Oracle.EraCheck(_folder["one.era"]);
        Assert.Empty(_host.Devices);
        Assert.Contains("no such device", Assert.Throws<ServingException>(() => _host.Detach("one", force: false)).Message, StringComparison.Ordinal);
        Assert.Equal(2u, _host.Attach(Settings("one")).Target.Status.CurrentEra);
    }

    [Fact]
    public void A_device_with_clients_is_detached_by_force_only_and_others_do_not_notice()
    {
        _host.Attach(Settings("one"));
        _host.Attach(Settings("two"));
        using NbdBlockDevice client = Open("one");
        using NbdBlockDevice other = Open("two");
        Wait.Until(() => _host.Find("one")!.Connections > 0);

        string refusal = Assert.Throws<ServingException>(() => _host.Detach("one", force: false)).Message;
        Assert.Matches(@"^one: clients are connected \([1-9]\); disconnect them, or detach it with --force$", refusal);
        client.Write(0, [1]);
        _host.Detach("one", force: true);
        other.Write(0, [1]);
        Assert.Single(_host.Devices);
    }

    [Fact]
    public async Task A_stopped_host_has_brought_all_of_them_to_rest()
    {
        foreach (string name in new[] { "one", "two", "three" }) _host.Attach(Settings(name));
        _host.Stop();
        _host.Stop();

        Assert.Null(await _host.Stopped);
        foreach (string name in new[] { "one", "two", "three" }) Oracle.EraCheck(_folder[$"{name}.era"]);
        Assert.Contains("stopping", Refusal(Settings("four")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_for_one_device_ends_with_it_however_it_is_taken_out_of_service()
    {
        using DeviceHost host = new(new HostSettings { IsForOne = true, Listen = [ListenAddress.Unix(_folder["single"])] }, null, _log.Enqueue);
        host.Attach(Settings("one"));
        host.Detach("one", force: false);

        Assert.Null(await host.Stopped.WaitAsync(Limit));
        Assert.Contains("stopping", Refusal(Settings("one"), host), StringComparison.Ordinal);
    }

    [Fact]
    public void Files_that_clients_may_have_written_to_are_kept_whatever_comes_next()
    {
        Assert.Contains("no era or label 'then'", Refusal(Settings("one") with { Bitmap = "then" }), StringComparison.Ordinal);

        Assert.True(File.Exists(_folder["one"]));
        Oracle.EraCheck(_folder["one.era"]);
        Assert.Equal(2u, _host.Attach(Settings("one")).Target.Status.CurrentEra);
    }

    [Fact]
    public void A_front_end_that_was_stopped_does_not_start()
    {
        using EraDisk disk = EraDisk.Open(Settings("one"), _log.Enqueue);
        using NbdFrontEnd frontEnd = new(disk.Export, new NbdServerOptions(), [ListenAddress.Unix(_folder["own"])], shared: null);
        frontEnd.Dispose();

        Assert.Equal("one: is being stopped", Assert.ThrowsAny<IOException>(frontEnd.Start).Message);
        Assert.False(Path.Exists(_folder["own"]));
    }

    [Fact]
    public void A_host_for_one_device_takes_no_other()
    {
        using DeviceHost host = new(new HostSettings { IsForOne = true, Listen = [ListenAddress.Unix(_folder["single"])] }, null, _log.Enqueue);
        host.Attach(Settings("one"));

        Assert.Contains("there for one device", Refusal(Settings("two"), host), StringComparison.Ordinal);
    }

    [Fact]
    public void Faults_are_told_with_the_name_of_their_device()
    {
        _host.Attach(Settings("one"));
        using NbdBlockDevice client = Open("one");
        Oracle.Run("truncate", "-s", "0", _folder["one"]).AssertSuccess();

        Assert.ThrowsAny<IOException>(() => client.Read(4096, new byte[4096]));
        Assert.StartsWith("one: client ", Assert.Single(_log));
    }

    private DeviceSettings Settings(string name) => new()
    {
        Name = name,
        Origin = _folder[name],
        Metadata = _folder[$"{name}.era"],
        Size = Size,
        BlockSize = 4096,
    };

    private string Refusal(DeviceSettings settings, DeviceHost? host = null) =>
        Assert.ThrowsAny<IOException>(() => (host ?? _host).Attach(settings)).Message;

    private NbdBlockDevice Open(string name) =>
        NbdBlockDevice.Open(NbdUri.Parse($"nbd+unix:///{name}?socket={_folder["nbd"]}"), new NbdClientOptions());
}
