using System.CommandLine;
using DmEra.Cli.Serving;
using DmEra.Control;
using DmEra.Nbd.Client;
using DmEra.Serving.Hosting;
using DmEra.Target.Tracking;

namespace DmEra.Cli.Commands;

/// <summary><c>era attach</c>: takes a device into service in a process that serves many.</summary>
internal sealed class AttachCommand
{
    private readonly Argument<string> _name = CommonArguments.Operand("NAME", "name for 'era ls' and of the NBD export");

    private readonly Argument<string> _origin = CommonArguments.Operand(
        "ORIGIN", "disk image, block device, or URI of an NBD server's export, whose writes are recorded");

    private readonly Option<string[]> _listen = new("--listen")
    {
        Description = "unix:PATH or tcp:HOST:PORT; may be repeated [default: where the process listens for all its devices]",
        HelpName = "ADDRESS",
    };

    private readonly Option<bool> _readOnly = CommonArguments.Flag("--read-only", "let clients read, and ask what changed, but not write");

    private readonly Option<string?> _bitmap = CommonArguments.Text(
        "--bitmap", "ERA|LABEL", "show clients one bitmap, of what was written since then, and no other");

    private readonly Option<string?> _control = CommonArguments.DaemonSocket();
    private readonly DeviceArguments _device = new();

    public static Command Create() => new AttachCommand().Build();

    private EraCommand Build()
    {
        EraCommand command = new(
            "attach",
            "Have the process of 'era serve --config' serve one more device, until it is detached or the process ends. "
                + "What is to be there after a restart belongs in the configuration.",
            "era attach disk2 /srv/disk2.img",
            "era attach disk3 /srv/disk3.img --size 10G --read-only")
        {
            _name,
            _origin,
            _listen,
            _readOnly,
            _bitmap,
            _control,
        };
        foreach (Option option in _device.Options) command.Options.Add(option);
        command.SetAction(RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult parse, CancellationToken cancellation)
    {
        using ControlClient client = DeviceLookup.ConnectToDaemon(parse.GetValue(_control));
        DeviceRequest request = _device.Request(parse, Full(parse.GetRequiredValue(_origin)));
        DeviceDescription device = await client.AttachAsync(
            request with
            {
                Name = parse.GetRequiredValue(_name),
                Metadata = request.Metadata is string metadata ? Path.GetFullPath(metadata) : null,
                Listen = [.. (parse.GetValue(_listen) ?? []).Select(FullAddress)],
                ReadOnly = parse.GetValue(_readOnly),
                Bitmap = parse.GetValue(_bitmap),
            },
            cancellation);
        foreach (string uri in device.Endpoints) parse.Output().WriteLine(uri);
        return ExitCode.Done;
    }

    // The other process has another current folder.
    private static string Full(string origin) => NbdUri.IsUri(origin) ? origin : Path.GetFullPath(origin);

    private static string FullAddress(string address) =>
        address.StartsWith("unix:", StringComparison.Ordinal) ? $"unix:{Path.GetFullPath(address["unix:".Length..])}" : address;
}
