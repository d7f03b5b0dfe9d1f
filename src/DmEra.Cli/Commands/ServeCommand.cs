using System.CommandLine;
using DmEra.Backup.Images;
using DmEra.Cli.Backups;
using DmEra.Cli.Serving;
using DmEra.Nbd;
using DmEra.Nbd.Client;
using DmEra.Serving.Hosting;
using DmEra.Serving.Sockets;
using DmEra.Target.Mapping;
using DmEra.Target.Metadata;

namespace DmEra.Cli.Commands;

/// <summary><c>era serve</c>: runs a device.</summary>
internal sealed class ServeCommand
{
    private readonly Argument<string?> _origin = CommonArguments.OptionalOperand(
        "ORIGIN", "disk image, block device, or URI of an NBD server's export, whose writes are recorded");

    private readonly Option<string?> _metadata = CommonArguments.Text(
        "--metadata", "PATH", "where the eras are kept; made if it is missing [default: ORIGIN.era]");

    private readonly Option<long?> _blockSize = CommonArguments.Size(
        "--block-size", "granularity of the record, a multiple of 4K [default: that of the metadata, or 64K]");

    private readonly Option<long?> _size = CommonArguments.Size(
        "--size", "make ORIGIN with this size if it is missing");

    private readonly Option<bool> _reserve = CommonArguments.Flag(
        "--reserve", "have the metadata file take all of its space at once, not in steps as it needs it");

    private readonly Option<string?> _table = CommonArguments.Text(
        "--table", "LINE", "the device as a dmsetup table line, instead of ORIGIN and the options above");

    private readonly Option<string?> _name = CommonArguments.Text(
        "--name", "NAME", "name for 'era ls' and of the NBD export [default: file name of the origin; of an image: DEVICE-N]");

    private readonly Option<string[]> _listen = new("--listen")
    {
        Description = "unix:PATH or tcp:HOST:PORT; may be repeated [default: a Unix socket in the runtime folder]",
        HelpName = "ADDRESS",
    };

    private readonly Option<string?> _control = CommonArguments.Text(
        "--control", "PATH", "control socket [default: one in the runtime folder]");

    private readonly Option<uint?> _markAhead = CommonArguments.NumberOrOff(
        "--mark-ahead",
        EraTargetOptions.MostMarkedAhead,
        "mark up to N blocks ahead of a sequential writer, so that it need not wait: where it stops, lists of changes may name as many too many [default: 64, or 4M worth if that is less]");

    private readonly Option<string?> _repo = CommonArguments.Text(
        "--repo", "REPO", "serve an image from a repository instead, read-only: see 'era backup --help'");

    private readonly Option<string?> _at = RestoreImageCommand.ImageOption();
    private readonly RepositoryArguments _repository = new();
    private readonly NbdArguments _nbd = new();

    public static Command Create() => new ServeCommand().Build();

    private EraCommand Build()
    {
        EraCommand command = new(
            "serve",
            "Serve a disk over NBD and record which blocks are written in which era. Runs until it is stopped, by "
                + "'era stop', Ctrl-C or SIGTERM. The runtime folder is $ERA_RUNTIME_DIR, else $XDG_RUNTIME_DIR/era, "
                + "else /run/era for root and /tmp/era-UID for others.",
            "era serve disk.img --size 1G",
            "era serve /dev/vg/disk --metadata /var/lib/disk.era --listen tcp:localhost:10809",
            "era serve disk.img --listen tcp:0.0.0.0:10809 --allow 10.1.0.0/16 --tls require --tls-certificates /etc/pki/era",
            "era serve nbd://storage/disk --metadata /var/lib/disk.era",
            "era serve --table '0 2097152 era /dev/vg/meta /dev/vg/disk 128'",
            "era serve --repo /backups/disk --at 'before upgrade'")
        {
            _origin,
            _metadata,
            _blockSize,
            _size,
            _reserve,
            _table,
            _name,
            _listen,
            _control,
            _markAhead,
            _repo,
            _at,
        };
        _repository.AddTo(command);
        foreach (Option option in _nbd.Options) command.Options.Add(option);
        command.SetAction((parse, _) => parse.GetValue(_repo) is string address
            ? ServeImageAsync(parse, address)
            : Session(parse).RunAsync());
        return command;
    }

    private async Task<int> ServeImageAsync(ParseResult parse, string repo)
    {
        Reject(parse, _repo, _origin, _metadata, _blockSize, _size, _reserve, _table, _control, _markAhead, _nbd.Bitmap);
        using Repository repository = _repository.Open(parse, repo, CancellationToken.None);
        ImageManifest image = repository.FindImage(parse.GetValue(_at));
        string name = Name(parse, $"{image.Device.Name}-{image.Number}");
        RuntimeFolder runtime = RuntimeFolder.FromEnvironment();
        ListenAddress[] listen = Listen(parse);
        bool isDefault = listen.Length == 0;
        if (isDefault) listen = [ListenAddress.Unix(runtime.NbdSocket(name))];
        foreach (ListenAddress address in listen) address.RequireFree();
        ImageSession session = new(
            repository,
            image,
            name,
            listen,
            isDefault ? runtime : null,
            _nbd.ServerOptions(parse));
        return await session.RunAsync(parse.Output(), parse.InvocationConfiguration.Error);
    }

    private ServeSession Session(ParseResult parse)
    {
        EraTable? table = RequestedTable(parse);
        string origin = table?.OriginPath ?? parse.GetValue(_origin)
            ?? throw new CommandException("give an ORIGIN or a --table; see 'era serve --help'", ExitCode.Usage);
        NbdUri? remote = RemoteOrigin.Parse(origin);
        string name = Name(parse, Path.GetFileName(Path.TrimEndingDirectorySeparator(remote?.ExportName ?? origin)));
        string? metadata = table?.MetadataPath ?? parse.GetValue(_metadata);
        if (remote is not null && metadata is null)
            throw new CommandException($"say with {_metadata.Name} where the eras of an origin on a server are kept", ExitCode.Usage);
        RuntimeFolder runtime = RuntimeFolder.FromEnvironment();
        ListenAddress[] listen = Listen(parse);
        string control = parse.GetValue(_control) is string path ? Path.GetFullPath(path) : runtime.ControlSocket(name);
        bool isDefault = listen.Length == 0;
        if (isDefault) listen = [ListenAddress.Unix(runtime.NbdSocket(name))];
        ListeningSocket.RequireFree(control);
        foreach (ListenAddress address in listen) address.RequireFree();
        DeviceSettings settings = new()
        {
            Table = table,
            Origin = origin,
            Metadata = metadata ?? DefaultMetadata.Of(origin),
            BlockSize = parse.GetValue(_blockSize),
            Size = parse.GetValue(_size),
            ReservesMetadata = parse.GetValue(_reserve),
            Name = name,
            Listen = listen,
            MarkAhead = parse.GetValue(_markAhead),
            IsReadOnly = _nbd.IsReadOnly(parse),
            Bitmap = parse.GetValue(_nbd.Bitmap),
        };
        return new ServeSession(
            settings,
            _nbd.ServerOptions(parse),
            control,
            isDefault || parse.GetValue(_control) is null ? runtime : null,
            parse.Output(),
            parse.InvocationConfiguration.Error);
    }

    private EraTable? RequestedTable(ParseResult parse)
    {
        if (parse.GetValue(_table) is not string line) return null;
        Reject(parse, _table, _origin, _metadata, _blockSize, _size);
        try { return EraTable.Parse(line); }
        catch (EraTargetException fault) { throw new CommandException(fault.Message, ExitCode.Usage); }
    }

    private static void Reject(ParseResult parse, Symbol that, params ReadOnlySpan<Symbol> others)
    {
        foreach (Symbol other in others)
        {
            if (parse.GetResult(other) is { Tokens.Count: > 0 })
                throw new CommandException($"{that.Name} says all; leave {other.Name} away", ExitCode.Usage);
        }
    }

    private string Name(ParseResult parse, string usual)
    {
        string name = parse.GetValue(_name) ?? usual;
        return RuntimeFolder.IsName(name)
            ? name
            : throw new CommandException($"'{name}' cannot be the name of a device; choose another --name", ExitCode.Usage);
    }

    private ListenAddress[] Listen(ParseResult parse) =>
    [
        .. SocketActivation.TakeSockets().Select(ListenAddress.Passed),
        .. (parse.GetValue(_listen) ?? []).Select(address => ListenAddress.Parse(address)),
    ];
}
