using System.CommandLine;
using DmEra.Backup.Images;
using DmEra.Cli.Backups;
using DmEra.Cli.Serving;
using DmEra.Nbd;
using DmEra.Serving.Hosting;
using DmEra.Serving.Sockets;

namespace DmEra.Cli.Commands;

/// <summary><c>era serve</c>: runs a device.</summary>
internal sealed class ServeCommand
{
    private readonly Argument<string?> _origin = CommonArguments.OptionalOperand(
        "ORIGIN", "disk image, block device, or URI of an NBD server's export, whose writes are recorded");

    private readonly Option<string?> _table = CommonArguments.Text(
        "--table", "LINE", "the device as a dmsetup table line, instead of ORIGIN, --metadata, --block-size and --size");

    private readonly Option<string?> _name = CommonArguments.Text(
        "--name", "NAME", "name for 'era ls' and of the NBD export [default: file name of the origin; of an image: DEVICE-N]");

    private readonly Option<string[]> _listen = new("--listen")
    {
        Description = "unix:PATH or tcp:HOST:PORT; may be repeated [default: a Unix socket in the runtime folder]",
        HelpName = "ADDRESS",
    };

    private readonly Option<string?> _control = CommonArguments.Text(
        "--control", "PATH", "control socket [default: one in the runtime folder]");

    private readonly Option<string?> _config = CommonArguments.Text(
        "--config", "FILE|FOLDER", "serve the devices of this file, or of the *.toml files of this folder, instead");

    private readonly Option<bool> _check = CommonArguments.Flag("--check", "say what is wrong with the --config, and start nothing");

    private readonly Option<string?> _repo = CommonArguments.Text(
        "--repo", "REPO", "serve an image from a repository instead, read-only: see 'era backup --help'");

    private readonly Option<string?> _at = RestoreImageCommand.ImageOption();
    private readonly DeviceArguments _device = new();
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
            "era serve --config /etc/era",
            "era serve --repo /backups/disk --at 'before upgrade'")
        {
            _origin,
            _table,
            _name,
            _listen,
            _control,
            _config,
            _check,
            _repo,
            _at,
        };
        foreach (Option option in _device.Options) command.Options.Add(option);
        _repository.AddTo(command);
        foreach (Option option in _nbd.Options) command.Options.Add(option);
        command.SetAction((parse, _) =>
            parse.GetValue(_repo) is string address ? ServeImageAsync(parse, address)
            : parse.GetValue(_config) is string config ? ServeManyAsync(parse, config)
            : Session(parse).RunAsync());
        return command;
    }

    private async Task<int> ServeImageAsync(ParseResult parse, string repo)
    {
        Reject(parse, _repo, [_origin, _table, _control, _config, _check, _nbd.Bitmap, .. _device.Options]);
        using Repository repository = _repository.Open(parse, repo, CancellationToken.None);
        ImageManifest image = repository.FindImage(parse.GetValue(_at));
        string name = ImageName(parse, $"{image.Device.Name}-{image.Number}");
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

    private async Task<int> ServeManyAsync(ParseResult parse, string config)
    {
        Reject(parse, _config, [_origin, _table, _name, _listen, .. _device.Options, .. _nbd.Options]);
        RuntimeFolder runtime = RuntimeFolder.FromEnvironment();
        DaemonSession session = new(config, parse.GetValue(_control), runtime, parse.Output(), parse.InvocationConfiguration.Error);
        return parse.GetValue(_check) ? session.Check() : await session.RunAsync();
    }

    private ServeSession Session(ParseResult parse)
    {
        if (parse.GetValue(_check)) throw new CommandException($"{_check.Name} is for a {_config.Name}", ExitCode.Usage);
        string? table = parse.GetValue(_table);
        if (table is not null) Reject(parse, _table, [_origin, .. _device.OfFiles]);
        string? origin = parse.GetValue(_origin);
        if (origin is null && table is null)
            throw new CommandException("give an ORIGIN or a --table; see 'era serve --help'", ExitCode.Usage);
        DeviceRequest request = _device.Request(parse, origin) with
        {
            Table = table,
            Name = parse.GetValue(_name),
            ReadOnly = _nbd.IsReadOnly(parse),
            Bitmap = parse.GetValue(_nbd.Bitmap),
        };
        DeviceSettings settings = request.Resolve();
        RuntimeFolder runtime = RuntimeFolder.FromEnvironment();
        ListenAddress[] listen = Listen(parse);
        string control = parse.GetValue(_control) is string path ? Path.GetFullPath(path) : runtime.ControlSocket(settings.Name);
        bool isDefault = listen.Length == 0;
        if (isDefault) listen = [ListenAddress.Unix(runtime.NbdSocket(settings.Name))];
        ListeningSocket.RequireFree(control);
        foreach (ListenAddress address in listen) address.RequireFree();
        return new ServeSession(
            settings with { Listen = listen },
            _nbd.ServerOptions(parse),
            control,
            isDefault || parse.GetValue(_control) is null ? runtime : null,
            parse.Output(),
            parse.InvocationConfiguration.Error);
    }

    private static void Reject(ParseResult parse, Symbol that, params ReadOnlySpan<Symbol> others)
    {
        foreach (Symbol other in others)
        {
            if (parse.GetResult(other) is { Tokens.Count: > 0 })
                throw new CommandException($"{that.Name} says all; leave {other.Name} away", ExitCode.Usage);
        }
    }

    private string ImageName(ParseResult parse, string usual)
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
