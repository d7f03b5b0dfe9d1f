using System.CommandLine;
using DmEra.Backup.Images;
using DmEra.Backup.Sources;
using DmEra.Backup.Stores;
using DmEra.Backup.Taking;
using DmEra.Cli.Backups;
using DmEra.Cli.Offline;
using DmEra.Target.Metadata;

namespace DmEra.Cli.Commands;

/// <summary><c>era backup</c>: takes an image of a device into a repository.</summary>
internal sealed class BackupCommand
{
    private const int LongestLabel = 200;

    private readonly Argument<string> _device = CommonArguments.Operand(
        "DEVICE", "name of a device that is being served, device of the kernel's dm-era, or ORIGIN of one at rest");

    private readonly Option<string?> _to = CommonArguments.Text("--to", "REPO",
        "where images are kept: a folder, s3://BUCKET/PREFIX or s3+https://HOST/BUCKET/PREFIX; made if it is missing");

    private readonly Option<string?> _metadata = CommonArguments.Text(
        "--metadata", "PATH", "where the eras of an ORIGIN at rest are kept [default: ORIGIN.era]");

    private readonly Option<string?> _snapshot = CommonArguments.Text("--snapshot-cmd", "COMMAND",
        "for a device in use: makes a snapshot of $ERA_ORIGIN and prints the path to read it at; run while writes are held up");

    private readonly Option<string?> _release = CommonArguments.Text("--release-cmd", "COMMAND", "removes that snapshot");

    private readonly Option<string?> _freeze = CommonArguments.Text("--freeze-cmd", "COMMAND",
        "for a device in use: brings what uses it to rest, as in 'fsfreeze -f /srv'");

    private readonly Option<string?> _thaw = CommonArguments.Text("--thaw-cmd", "COMMAND", "undoes that, whatever happens");

    private readonly Option<bool> _full = CommonArguments.Flag("--full", "read the whole device, and begin a new chain");

    private readonly Option<string?> _label = CommonArguments.Text("--label", "TEXT", "what to call the image");

    private readonly Option<bool> _estimate = CommonArguments.Flag(
        "--estimate", "tell what would be read and how long it may take, and do nothing");

    private readonly Option<bool> _acceptOlder = CommonArguments.Flag(
        "--accept-older", "go on in a repository where the last image that was taken of the device is another one");

    private readonly Option<bool> _json = CommonArguments.Json();
    private readonly Option<bool> _quiet = CommonArguments.Quiet();
    private readonly RepositoryArguments _repository = new();

    public static Command Create() => new BackupCommand().Build();

    private EraCommand Build()
    {
        _to.Required = true;
        _label.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: string text }] && (text.Trim().Length == 0 || text.Length > LongestLabel || text.Any(char.IsControl)))
                result.AddError($"a label is a line of 1 to {LongestLabel} letters");
            else if (result.Tokens is [{ Value: string digits }] && digits.All(char.IsAsciiDigit))
                result.AddError($"'{digits}': a label of digits would be taken for the number of an image");
        });
        EraCommand command = new(
            "backup",
            "Take an image of a device: in full the first time, then what was written since the last one.",
            "era backup disk.img --to /backups/disk",
            "era backup disk.img --to s3://backups/disk --key-file disk.key",
            "era backup disk.img --to /backups/disk --estimate",
            "era backup disk.img --to /backups/disk --freeze-cmd 'fsfreeze -f /srv' --thaw-cmd 'fsfreeze -u /srv'")
        {
            _device,
            _to,
            _metadata,
            _snapshot,
            _release,
            _freeze,
            _thaw,
            _full,
            _label,
            _estimate,
            _acceptOlder,
            _json,
            _quiet,
        };
        _repository.AddTo(command);
        command.SetAction(Run);
        return command;
    }

    private int Run(ParseResult parse)
    {
        using StopToken stop = new();
        string device = parse.GetRequiredValue(_device);
        string? metadata = parse.GetValue(_metadata);
        LiveHooks hooks = new(parse.GetValue(_freeze), parse.GetValue(_thaw), parse.GetValue(_snapshot), parse.GetValue(_release));
        return MetadataFile.Use(metadata ?? DefaultMetadata.NameOf(device), () =>
        {
            using IBackupSource source = BackupSource.Open(device, metadata, hooks, parse.InvocationConfiguration.Error, stop.Token);
            return parse.GetValue(_estimate) ? Estimate(parse, source, stop.Token) : Take(parse, source, stop.Token);
        });
    }

    private int Estimate(ParseResult parse, IBackupSource source, CancellationToken stop)
    {
        string address = parse.GetRequiredValue(_to)!;
        using IObjectStore store = RepositoryAddress.Open(address, stop);
        using Repository? repository = Repository.Exists(store) ? _repository.Open(parse, address, stop) : null;
        BackupEstimate estimate = BackupRun.Estimate(repository, source, Kind(parse));
        if (parse.GetValue(_json)) parse.Output().WriteLine(BackupReports.ToJson(estimate));
        else BackupReports.Write(parse.Output(), estimate);
        return ExitCode.Done;
    }

    private int Take(ParseResult parse, IBackupSource source, CancellationToken stop)
    {
        TextWriter error = parse.InvocationConfiguration.Error;
        using Repository repository = _repository.OpenOrCreate(parse, parse.GetRequiredValue(_to)!, stop);
        repository.AcceptsOlderState = parse.GetValue(_acceptOlder);
        bool isShown = ByteProgress.IsShown(parse.GetValue(_quiet), error);
        long total = !isShown ? 0 : BackupRun.Estimate(repository, source, Kind(parse)).Bytes;
        BackupReport report;
        using (ByteProgress progress = new(isShown ? error : null, total, TimeProvider.System))
        {
            report = BackupRun.Take(repository, source, Kind(parse), parse.GetValue(_label), progress, stop);
        }

        foreach (string remark in report.Remarks) error.WriteLine($"era: {remark}");
        if (parse.GetValue(_json)) parse.Output().WriteLine(BackupReports.ToJson(report.Image));
        else BackupReports.Write(parse.Output(), report);
        return ExitCode.Done;
    }

    private BackupKind Kind(ParseResult parse) => parse.GetValue(_full) ? BackupKind.Full : BackupKind.Incremental;
}
