using System.Net;
using DmEra.Devices;
using DmEra.Nbd;
using DmEra.Serving.FrontEnds;
using DmEra.Serving.Hosting;
using DmEra.Serving.Sockets;
using Tomlyn.Parsing;
using Tomlyn.Syntax;

namespace DmEra.Serving.Configuration;

/// <summary>Reads a configuration to its end, whatever is wrong with it, and tells all of that. Used once.</summary>
internal sealed class ConfigurationReader
{
    private const string Pattern = "*.toml";
    private const string DevicesTable = "devices";

    private readonly List<string> _errors = [];
    private readonly List<DeviceSettings> _devices = [];
    private readonly Dictionary<string, Place> _names = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (string Device, Place Place)> _files = new(StringComparer.Ordinal);     // by their identities
    private readonly ConfigurationTable _host;
    private string _path = "";
    private string _folder = "";

    public ConfigurationReader() => _host = new ConfigurationTable(Report);

    /// <summary>Reads a file or folder.</summary>
    /// <exception cref="ConfigurationException">Something is wrong with it.</exception>
    public HostConfiguration Read(string path)
    {
        _path = Path.GetFullPath(path);
        foreach (string file in FilesOf(_path)) ReadFile(file);
        // What belongs to no device may be in any of the files; what is wrong with it as a whole has no line.
        string? written = _host.Text("control");
        string? control = Try(() => PathOf(written));
        ListenAddress[] listen = ParseListen(_host.Texts("listen"));
        NbdServerOptions nbd = ReadNbd();
        _host.RejectOthers();
        RequireDifferent(listen);
        if (_errors.Count > 0) throw new ConfigurationException(_errors);
        return new HostConfiguration(
            control, listen, nbd, _devices);
    }

    private string[] FilesOf(string path)
    {
        _folder = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(path)) return [path];
        _folder = path;
        try
        {
            string[] files = [.. Directory.GetFiles(path, Pattern).Order(StringComparer.Ordinal)];
            if (files.Length == 0) _errors.Add($"{path}: has no files {Pattern}");
            return files;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            _errors.Add($"{path}: {SystemFault.Reason(fault)}");
            return [];
        }
    }

    private void ReadFile(string path)
    {
        string text;
        try { text = File.ReadAllText(path); }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            _errors.Add($"{path}: {SystemFault.Reason(fault)}");
            return;
        }

        DocumentSyntax document = SyntaxParser.Parse(text, path, validate: true);
        foreach (DiagnosticMessage message in document.Diagnostics.Where(message => message.Kind == DiagnosticMessageKind.Error))
            Report(new Place(path, message.Span.Start.Line + 1), message.Message.TrimEnd('.'));
        if (document.HasErrors) return;
        _host.Add(path, document.KeyValues);
        foreach (TableSyntaxBase table in document.Tables) ReadTable(Place.Of(path, table), table);
    }

    private void ReadTable(Place place, TableSyntaxBase table)
    {
        if (table is TableSyntax && ConfigurationTable.PartsOf(table.Name!) is [DevicesTable, string name]) ReadDevice(name, place, table.Items);
        else Report(place, $"there is no table '{ConfigurationTable.NameOf(table.Name!)}'; a device is [{DevicesTable}.NAME]");
    }

    private void ReadDevice(string name, Place place, IEnumerable<KeyValueSyntax> items)
    {
        int before = _errors.Count;
        ConfigurationTable keys = new(Report);
        keys.Add(place.File, items);
        DeviceRequest request = new()
        {
            Name = name,
            Origin = keys.Text("origin"),
            Metadata = keys.Text("metadata"),
            BlockSize = keys.Size("block-size"),
            Size = keys.Size("size"),
            Reserve = keys.Flag("reserve"),
            Table = keys.Text("table"),
            MarkAhead = keys.NumberOrOff("mark-ahead"),
            ReadOnly = keys.Flag("read-only"),
            Bitmap = keys.Text("bitmap"),
            Listen = keys.Texts("listen"),
            Folder = _folder,
        };
        keys.RejectOthers();
        // The rest would only follow from that.
        if (_errors.Count > before) return;
        try { Add(request.Resolve(), place); }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Report(place, SystemFault.Describe(fault));
        }
    }

    private void Add(DeviceSettings device, Place place)
    {
        if (!_names.TryAdd(device.Name, place))
            Report(place, $"the device '{device.Name}' is there already, at {_names[device.Name]}; choose another name");
        foreach ((string path, string identity) in device.FindFiles())
        {
            if (!_files.TryAdd(identity, (device.Name, place)))
                Report(place, $"{path} is that of '{_files[identity].Device}' already, at {_files[identity].Place}");
        }

        _devices.Add(device);
    }

    private NbdServerOptions ReadNbd()
    {
        string? certificates = _host.Text("tls-certificates");
        NbdSettings settings = new()
        {
            MaxConnections = _host.Number("max-connections"),
            Allow = _host.Texts("allow"),
            Tls = _host.Text("tls"),
            TlsVerifyPeer = _host.Flag("tls-verify-peer"),
            Insecure = _host.Flag("insecure"),
        };
        return Try(() => (settings with { TlsCertificates = PathOf(certificates) }).ServerOptions()) ?? new NbdServerOptions();
    }

    private string? PathOf(string? written) => written is null ? null : SettingsPath.In(_folder, written);

    private ListenAddress[] ParseListen(IReadOnlyList<string> addresses) =>
        [.. addresses.Select(address => Try(() => ListenAddress.Parse(address, _folder))).OfType<ListenAddress>()];

    private void RequireDifferent(IEnumerable<ListenAddress> listen)
    {
        // Port 0 is another one each time.
        IEnumerable<ListenAddress> all = listen.Concat(_devices.SelectMany(device => device.Listen)).Where(address => address.EndPoint is not IPEndPoint { Port: 0 });
        foreach (IGrouping<string, ListenAddress> same in all.GroupBy(address => $"{address.EndPoint}", StringComparer.Ordinal).Where(same => same.Count() > 1))
            _errors.Add($"{_path}: {same.Key} is there twice among the addresses to listen at");
    }

    private T? Try<T>(Func<T?> read)
        where T : class
    {
        try { return read(); }
        catch (IOException fault)
        {
            _errors.Add($"{_path}: {SystemFault.Describe(fault)}");
            return null;
        }
    }

    private void Report(Place place, string what) => _errors.Add($"{place}: {what.ReplaceLineEndings(" ")}");
}
