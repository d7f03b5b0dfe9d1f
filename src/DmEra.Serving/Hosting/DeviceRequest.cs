using System.Text.Json.Serialization;
using DmEra.Nbd.Client;
using DmEra.Serving.Sockets;
using DmEra.Target.Mapping;
using DmEra.Target.Metadata;

namespace DmEra.Serving.Hosting;

/// <summary>A device as somebody asks for it: on a command line, in a configuration file, over the control socket. What is left out has
/// a default, and nothing has been checked.</summary>
public sealed record DeviceRequest
{
    /// <summary>Its name; null: the file name of the origin.</summary>
    public string? Name { get; init; }

    /// <summary>Path of the origin, or NBD URI of one on a server; null when <see cref="Table"/> says it.</summary>
    public string? Origin { get; init; }

    /// <summary>Path of the metadata; null: beside the origin.</summary>
    public string? Metadata { get; init; }

    /// <summary>Bytes in an origin block; null: those of the metadata there is, or 64 KiB.</summary>
    public long? BlockSize { get; init; }

    /// <summary>Bytes of an origin to be made if it is missing; null when it must exist.</summary>
    public long? Size { get; init; }

    /// <summary>Whether new metadata takes all of its space at once, not as it needs it.</summary>
    public bool Reserve { get; init; }

    /// <summary>The device as a table line, instead of origin, metadata and sizes.</summary>
    public string? Table { get; init; }

    /// <summary>Blocks that may be marked ahead of a sequential writer; 0: none; null: the default.</summary>
    public uint? MarkAhead { get; init; }

    /// <summary>Whether clients may not write.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>The era or label whose bitmap is the only one that clients see; null: they see all.</summary>
    public string? Bitmap { get; init; }

    /// <summary>Where to listen for its NBD clients, as in <c>unix:PATH</c> and <c>tcp:HOST:PORT</c>.</summary>
    public IReadOnlyList<string> Listen { get; init; } = [];

    /// <summary>The folder that relative paths begin at.</summary>
    [JsonIgnore]
    public string Folder { get; init; } = Environment.CurrentDirectory;

    /// <summary>What stands before the names of settings where somebody may type them, as <c>--</c> on a command line.</summary>
    [JsonIgnore]
    public string Prefix { get; init; } = "";

    /// <summary>Fills in the defaults.</summary>
    /// <exception cref="SettingsException">It contradicts itself, or a part of it makes no sense.</exception>
    /// <exception cref="ServingException">Where the metadata is cannot be told.</exception>
    public DeviceSettings Resolve()
    {
        EraTable? table = ParseTable();
        string origin = table?.OriginPath ?? Place(Origin ?? throw new SettingsException($"give an origin or a {Prefix}table"));
        NbdUri? remote = RemoteOrigin.Parse(origin);
        string name = Name ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(remote?.ExportName ?? origin));
        if (!RuntimeFolder.IsName(name)) throw new SettingsException($"'{name}' cannot be the name of a device; choose another {Prefix}name");
        string? metadata = table?.MetadataPath ?? (Metadata is null ? null : Place(Metadata));
        if (remote is not null && metadata is null)
            throw new SettingsException($"say with {Prefix}metadata where the eras of an origin on a server are kept");
        return new DeviceSettings
        {
            Table = table,
            Origin = origin,
            Metadata = metadata ?? DefaultMetadata.Of(origin),
            BlockSize = BlockSize,
            Size = Size,
            ReservesMetadata = Reserve,
            Name = name,
            Listen = [.. Listen.Select(address => ListenAddress.Parse(address, Folder))],
            MarkAhead = MarkAhead is null or <= EraTargetOptions.MostMarkedAhead ? MarkAhead
                : throw new SettingsException($"{Prefix}mark-ahead {MarkAhead} makes no sense; give 0 to {EraTargetOptions.MostMarkedAhead}"),
            IsReadOnly = ReadOnly,
            Bitmap = Bitmap,
        };
    }

    private EraTable? ParseTable()
    {
        if (Table is null) return null;
        if ((Origin ?? Metadata ?? (object?)BlockSize ?? Size) is not null)
            throw new SettingsException($"{Prefix}table says all; leave the origin and its settings away");
        try
        {
            EraTable typed = EraTable.Parse(Table);
            return new EraTable(typed.StartSectors, typed.LengthSectors, Place(typed.MetadataPath), Place(typed.OriginPath), typed.BlockSizeSectors);
        }
        catch (EraTargetException fault)
        {
            throw new SettingsException(fault.Message);
        }
    }

    private string Place(string path) => NbdUri.IsUri(path) ? path : SettingsPath.In(Folder, path);
}
