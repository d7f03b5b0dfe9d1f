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
    public void One_that_cannot_be_served_keeps_no_other_from_it()
    {
        LoadReport report = Load("[devices.bad]\norigin = \"nowhere\"\n" + One);

        Assert.Contains("nowhere: no such file", Assert.Single(report.Refused), StringComparison.Ordinal);
        Assert.Equal(["one"], _host!.Devices.Select(device => device.Name));
    }

    private LoadReport Load(string devices)
    {
        File.WriteAllText(_folder["era.toml"], $"{Listen}{devices}");
        HostConfiguration read = HostConfiguration.Read(_folder["era.toml"]);
        _host = new DeviceHost(new HostSettings { Nbd = read.Nbd, Listen = read.Listen }, control: null, _ => { });
        _configured = new ConfiguredHost(_folder["era.toml"], read, _host);
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
}
