using System.Collections.Concurrent;
using DmEra.Devices;
using DmEra.Nbd;
using DmEra.Nbd.Client;
using DmEra.Serving.Configuration;
using DmEra.Serving.Hosting;
using DmEra.Tests.Nbd;

namespace DmEra.Tests.Serving.Configuration;

public sealed class ConfiguredHostTests : IDisposable
{
    private const string One = "[devices.one]\norigin = \"one\"\nsize = \"1M\"\n";
    private const string Two = "[devices.two]\norigin = \"two\"\nsize = \"1M\"\n";

    private readonly TempFolder _folder = new();
    private readonly ConcurrentQueue<string> _log = new();
    private DeviceHost? _host;
    private ConfiguredHost? _configured;

    public void Dispose()
    {
        _host?.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_reload_attaches_what_is_new_and_detaches_what_is_gone()
    {
        Assert.Equal(["one: attached"], Load(One).Done);
        using NbdBlockDevice client = Open("one");

        Assert.Equal(["two: attached"], Reload(One + Two).Done);
        client.Write(0, [1]);
        LoadReport report = Reload(Two);
        Assert.Contains("one: clients are connected", Assert.Single(report.Refused), StringComparison.Ordinal);
        client.Write(0, [1]);
        client.Dispose();
        Wait.Until(() => _host!.Find("one")!.Connections == 0);
        Assert.Equal(["one: detached"], Reload(Two).Done);
        Assert.Equal(["two"], _host!.Devices.Select(device => device.Name));
    }

    [Fact]
    public void A_configuration_with_errors_changes_nothing()
    {
        Load(One);

        Assert.Equal(2, Assert.Throws<ConfigurationException>(() => Reload(Two + "orgin = 5\nsise = 7\n")).Errors.Count);
        Assert.Equal(["one"], _host!.Devices.Select(device => device.Name));
        Assert.Empty(Reload(One).Refused);
    }

    [Fact]
    public void What_cannot_be_changed_is_told_and_stays()
    {
        Load(One);

        LoadReport report = Reload("listen = \"unix:elsewhere\"\n" + One + "block-size = \"4K\"\nread-only = true\n");
        Assert.Equal(
            [
                "listen cannot be changed while this runs, and stays as it was; restart it",
                "one: block-size, read-only cannot be changed while it is served, and stays as it was; 'era detach one' and 'era reload' have it changed",
            ],
            report.Refused);
        using NbdBlockDevice client = Open("one");
        client.Write(0, [1]);
    }

    [Fact]
    public void A_detached_device_comes_back_as_it_is_configured_now()
    {
        Load(One);
        _host!.Detach("one", force: false);

        Assert.Equal(["one: attached"], Reload(One + "read-only = true\n").Done);
        Assert.True(_host.Find("one")!.Settings.IsReadOnly);
    }

    [Fact]
    public void Limits_hold_for_clients_that_are_still_to_come()
    {
        Load(One);
        using NbdBlockDevice client = Open("one");
        Reload("max-connections = 1\n" + One);

        Assert.ThrowsAny<IOException>(() => Open("one"));
        client.Write(0, [1]);
    }

    [Fact]
    public void Devices_that_were_attached_by_hand_stay()
    {
        Load(One);
        _host!.Attach(new DeviceSettings { Name = "hand", Origin = _folder["hand"], Metadata = _folder["hand.era"], Size = 1 << 20 });

        Reload(Two);
        Assert.Equal(["hand", "two"], _host.Devices.Select(device => device.Name));
    }

    [Fact]
    public void One_that_was_attached_by_hand_under_the_name_of_a_configured_one_stays_as_well()
    {
        Load(One);
        _host!.Detach("one", force: false);
        _host.Attach(new DeviceSettings { Name = "one", Origin = _folder["hand"], Metadata = _folder["hand.era"], Size = 1 << 20 });

        Assert.Equal(["two: attached"], Reload(Two).Done);
        Assert.Equal(["one", "two"], _host.Devices.Select(device => device.Name));
    }

    [Fact]
    public void One_that_hangs_keeps_no_other_from_being_attached_or_detached()
    {
        using HangingOrigin hanging = new();
        using TestServer origin = new(new NbdServerOptions(), new NbdExport("slow", hanging, new BlockStatusCatalog()));
        string slow = $"[devices.slow]\norigin = \"nbd+unix:///slow?socket={origin.SocketPath}\"\nmetadata = \"slow.era\"\n";

        LoadReport report = Load(slow + One, patienceSeconds: 5);
        Assert.Equal(["one: attached"], report.Done);
        Assert.Equal(["slow: is still being attached; that goes on"], report.Refused);
        using (NbdBlockDevice client = Open("one")) client.Write(0, [1]);
        Wait.Until(() => _host!.Find("one")!.Connections == 0);
        report = Reload(slow + Two);
        Assert.Equal(["one: detached", "two: attached"], report.Done);
        Assert.Equal(["slow: is being attached or detached just now; try again"], report.Refused);

        hanging.LetGo();
        Wait.Until(() => _log.Contains("slow: attached"));
        Assert.Equal(["slow", "two"], _host!.Devices.Select(device => device.Name));
        Assert.Equal(["slow: detached"], Reload(Two).Done);
    }

    [Fact]
    public void Certificates_are_read_anew_for_clients_that_are_still_to_come()
    {
        using TestAuthority before = new();
        using TestAuthority after = new();
        const string Tls = "tls = \"require\"\ntls-certificates = \"tls\"\n";
        before.WriteServer(_folder["tls"]);
        string old = before.WriteClient(_folder["old"]);
        Load(Tls + One);
        using NbdBlockDevice client = OpenTls("one", old);

        after.WriteServer(_folder["tls"]);
        Assert.Empty(Reload(Tls + One).Refused);
        using NbdBlockDevice other = OpenTls("one", after.WriteClient(_folder["new"]));
        other.Write(0, [1]);
        Assert.ThrowsAny<IOException>(() => OpenTls("one", old));
        client.Write(0, [1]);
    }

    [Fact]
    public void One_that_cannot_be_served_keeps_no_other_from_it()
    {
        LoadReport report = Load("[devices.bad]\norigin = \"nowhere\"\n" + One);

        Assert.Contains("nowhere: no such file", Assert.Single(report.Refused), StringComparison.Ordinal);
        Assert.Equal(["one"], _host!.Devices.Select(device => device.Name));
    }

    private LoadReport Load(string devices, double patienceSeconds = 60)
    {
        File.WriteAllText(_folder["era.toml"], $"{Listen}{devices}");
        HostConfiguration read = HostConfiguration.Read(_folder["era.toml"]);
        _host = new DeviceHost(new HostSettings { Nbd = read.Nbd, Listen = read.Listen }, control: null, _ => { });
        _configured = new ConfiguredHost(_folder["era.toml"], read, _host, _log.Enqueue) { Patience = TimeSpan.FromSeconds(patienceSeconds) };
        LoadReport report = _configured.Load();
        _host.Open();
        return report;
    }

    private LoadReport Reload(string text)
    {
        File.WriteAllText(_folder["era.toml"], text.StartsWith("listen", StringComparison.Ordinal) ? text : $"{Listen}{text}");
        return _configured!.Reload();
    }

    private static string Listen => "listen = \"unix:nbd\"\n";

    private NbdBlockDevice Open(string name) =>
        NbdBlockDevice.Open(NbdUri.Parse($"nbd+unix:///{name}?socket={_folder["nbd"]}"), new NbdClientOptions());

    private NbdBlockDevice OpenTls(string name, string certificates) => NbdBlockDevice.Open(
        NbdUri.Parse($"nbds+unix:///{name}?socket={_folder["nbd"]}&tls-certificates={certificates}"), new NbdClientOptions());

    /// <summary>Flushes nothing until it is let go.</summary>
    private sealed class HangingOrigin() : ForwardingDevice(new MemoryBlockDevice(1 << 20))
    {
        private readonly ManualResetEventSlim _isLetGo = new();

        public void LetGo() => _isLetGo.Set();

        public override void Flush()
        {
            Wait.For(_isLetGo);
            base.Flush();
        }

        public override void Dispose()
        {
            LetGo();
            Inner.Dispose();
        }
    }
}
