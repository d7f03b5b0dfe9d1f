using System.Net;
using DmEra.Serving.Configuration;
using DmEra.Serving.Hosting;

namespace DmEra.Tests.Serving.Configuration;

public sealed class HostConfigurationTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Devices_are_tables_and_their_settings_have_the_names_of_options()
    {
        HostConfiguration read = Read(
            """
            control = "era.ctl"
            listen = ["unix:era.nbd", "tcp:127.0.0.1:0"]
            max-connections = 7
            allow = "10.1.0.0/16"
            insecure = true

            [devices.disk1]     # the first one
            origin = "disk1.img"
            size = "1G"
            block-size = 65536
            mark-ahead = 8

            [devices."disk two"]
            table = '0 2048 era /srv/meta /srv/disk 128'
            read-only = true
            listen = ["unix:two.nbd"]
            """);

        Assert.Equal(_folder["era.ctl"], read.Control);
        Assert.Equal([_folder["era.nbd"], "127.0.0.1:0"], read.Listen.Select(address => $"{address.EndPoint}"));
        Assert.Equal(7, read.Nbd.MaxConnections);
        Assert.Contains(IPNetwork.Parse("10.1.0.0/16"), read.Nbd.AllowedNetworks);
        Assert.Equal(["disk1", "disk two"], read.Devices.Select(device => device.Name));
        DeviceSettings first = read.Devices[0];
        Assert.Equal((_folder["disk1.img"], _folder["disk1.img.era"]), (first.Origin, first.Metadata));
        Assert.Equal((1L << 30, 65536L, 8u, false), (first.Size, first.BlockSize, first.MarkAhead, first.IsReadOnly));
        DeviceSettings second = read.Devices[1];
        Assert.Equal(("/srv/disk", "/srv/meta", true), (second.Origin, second.Metadata, second.IsReadOnly));
        Assert.Equal([_folder["two.nbd"]], second.Listen.Select(address => $"{address.EndPoint}"));
    }

    [Fact]
    public void All_that_is_wrong_is_told_with_its_line()
    {
        IReadOnlyList<string> errors = Errors(
            """
            max-conections = 7
            tls = "perhaps"

            [devices.one]
            orgin = "one.img"
            size = "1 gigabyte"
            read-only = "yes"

            [devices.two]
            metadata = "two.era"

            [devices."three/four"]
            origin = "three.img"

            [disks.five]
            origin = "five.img"

            [devices.six]
            origin = "nbd://localhost/six"

            [devices.seven]
            origin = "seven.img"

            [devices.eight]
            origin = "eight.img"
            metadata = "seven.img"
            """);

        string path = _folder["era.toml"];
        Assert.Equal(
            [
                $"{path}:1: there is no setting 'max-conections' here; did you mean 'max-connections'?",
                $"{path}:5: there is no setting 'orgin' here; did you mean 'origin'?",
                $"{path}:6: size must be a size; sizes are like \"64K\", \"1M\", \"1G\", 4096 (bytes) or \"128s\" (sectors)",
                $"{path}:7: read-only must be true or false",
                $"{path}:9: give an origin or a table",
                $"{path}:12: 'three/four' cannot be the name of a device; choose another name",
                $"{path}:15: there is no table 'disks.five'; a device is [devices.NAME]",
                $"{path}:18: say with metadata where the eras of an origin on a server are kept",
                $"{path}:24: {_folder["seven.img"]} is that of 'seven' already, at {path}:21",
                $"{path}: 'perhaps' is no way of tls; there are on and require",
            ],
            errors.Order(new ByLine()));
    }

    [Fact]
    public void Paths_of_a_table_begin_at_the_folder_as_all_others()
    {
        DeviceSettings device = Assert.Single(Read("[devices.one]\ntable = '0 2048 era one.era one 128'\n").Devices);

        Assert.Equal((_folder["one"], _folder["one.era"]), (device.Origin, device.Metadata));
        Assert.Equal($"0 2048 era {_folder["one.era"]} {_folder["one"]} 128", $"{device.Table}");
    }

    [Fact]
    public void Ports_that_the_system_chooses_are_never_the_same()
    {
        Assert.Equal(2, Read("listen = [\"tcp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\n").Listen.Count);
        Assert.Equal(
            $"{_folder["era.toml"]}: 127.0.0.1:7 is there twice among the addresses to listen at",
            Assert.Single(Errors("listen = [\"tcp:127.0.0.1:7\", \"tcp:127.0.0.1:7\"]\n")));
    }

    [Theory]
    [InlineData("control = \"a\\u0000b\"\n", "era.toml: 'a\\0b' can be no path: there is a NUL in it")]
    [InlineData("listen = \"unix:a\\u0000b\"\n", "era.toml: 'a\\0b' can be no path: there is a NUL in it")]
    [InlineData("tls = \"on\"\ntls-certificates = \"a\\u0000b\"\n", "era.toml: 'a\\0b' can be no path: there is a NUL in it")]
    [InlineData("[devices.one]\norigin = \"a\\u0000b\"\n", "era.toml:1: 'a\\0b' can be no path: there is a NUL in it")]
    [InlineData("[devices.one]\norigin = \"a\"\nmetadata = \"a\\u0000b\"\n", "era.toml:1: 'a\\0b' can be no path: there is a NUL in it")]
    [InlineData("[devices.one]\norigin = \"a\"\nlisten = \"unix:a\\u0000b\"\n", "era.toml:1: 'a\\0b' can be no path: there is a NUL in it")]
    public void What_can_be_no_path_is_told_as_any_other_error(string text, string error) =>
        Assert.Equal($"{_folder.Path}/{error}", Assert.Single(Errors(text)));

    [Fact]
    public void What_is_no_toml_is_told_with_its_line()
    {
        string line = Assert.Single(Errors("[devices.one]\norigin = \"one.img\nsize = 5\n").Take(1));

        Assert.StartsWith($"{_folder["era.toml"]}:2: ", line);
    }

    [Fact]
    public void A_name_that_is_there_twice_is_told_within_a_file_and_across_files()
    {
        Assert.NotEmpty(Errors("[devices.one]\norigin = \"a\"\n[devices.one]\norigin = \"b\"\n"));

        File.WriteAllText(_folder["era.toml"], "[devices.one]\norigin = \"a\"\n");
        File.WriteAllText(_folder["more.toml"], "\n[devices.one]\norigin = \"b\"\n");
        string line = Assert.Single(Assert.Throws<ConfigurationException>(() => HostConfiguration.Read(_folder.Path)).Errors);
        Assert.Equal($"{_folder["more.toml"]}:2: the device 'one' is there already, at {_folder["era.toml"]}:1; choose another name", line);
    }

    [Fact]
    public void A_folder_is_read_in_order_of_its_files()
    {
        File.WriteAllText(_folder["b.toml"], "max-connections = 3\n[devices.b]\norigin = \"b\"\n");
        File.WriteAllText(_folder["a.toml"], "[devices.a]\norigin = \"a\"\n");
        File.WriteAllText(_folder["README"], "not this one");

        HostConfiguration read = HostConfiguration.Read(_folder.Path);

        Assert.Equal(["a", "b"], read.Devices.Select(device => device.Name));
        Assert.Equal(3, read.Nbd.MaxConnections);
        File.WriteAllText(_folder["a.toml"], "\nmax-connections = 4\ntls = 1\n");
        Assert.Equal(
            [$"{_folder["b.toml"]}:1: 'max-connections' is there twice", $"{_folder["a.toml"]}:3: tls must be a text in quotes"],
            Assert.Throws<ConfigurationException>(() => HostConfiguration.Read(_folder.Path)).Errors);
    }

    [Fact]
    public void What_cannot_be_read_is_named()
    {
        string missing = Assert.Single(Assert.Throws<ConfigurationException>(() => HostConfiguration.Read(_folder["no.toml"])).Errors);
        Assert.Equal($"{_folder["no.toml"]}: No such file or directory", missing);
        string empty = Assert.Single(Assert.Throws<ConfigurationException>(() => HostConfiguration.Read(_folder.Path)).Errors);
        Assert.Equal($"{_folder.Path}: has no files *.toml", empty);
    }

    [Fact]
    public void Two_devices_cannot_listen_at_one_address()
    {
        string line = Assert.Single(Errors("listen = \"unix:a\"\n[devices.one]\norigin = \"one\"\nlisten = \"unix:a\"\n"));

        Assert.Contains("is there twice among the addresses", line, StringComparison.Ordinal);
    }

    private HostConfiguration Read(string text)
    {
        File.WriteAllText(_folder["era.toml"], text);
        return HostConfiguration.Read(_folder["era.toml"]);
    }

    private IReadOnlyList<string> Errors(string text) => Assert.Throws<ConfigurationException>(() => Read(text)).Errors;

    private sealed class ByLine : IComparer<string>
    {
        public int Compare(string? x, string? y) => LineOf(x!).CompareTo(LineOf(y!));

        private static int LineOf(string error) => int.TryParse(error.Split(':')[1], out int line) ? line : int.MaxValue;
    }
}
