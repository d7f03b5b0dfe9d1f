using System.CommandLine;
using DmEra.Backup.Images;
using DmEra.Cli.Backups;
using DmEra.Target.Metadata;

namespace DmEra.Cli.Commands;

/// <summary><c>era restore-image</c>: writes an image to a disk.</summary>
internal sealed class RestoreImageCommand
{
    private readonly RepositoryArguments _repository = new();
    private readonly Option<string?> _at = ImageOption();

    private readonly Option<string?> _to = CommonArguments.Text("--to", "TARGET",
        "a new file; or, with --overwrite or --only-changed, a file or block device that is there");

    private readonly Option<string?> _metadata = CommonArguments.Text("--metadata", "PATH",
        "TARGET's eras: what is written is recorded there, so that the next backup knows [default: TARGET.era, if it is there]");

    private readonly Option<bool> _onlyChanged = CommonArguments.Flag(
        "--only-changed", "write only what was written since the image was taken of TARGET, by its eras");

    private readonly Option<bool> _overwrite = CommonArguments.Flag(
        "--overwrite", "write over TARGET, whatever it holds; a file is made as long as the image");

    private readonly Option<bool> _acceptMixed = AcceptMixedOption();

    private readonly Option<bool> _quiet = CommonArguments.Quiet();

    public static Command Create() => new RestoreImageCommand().Build();

    /// <summary>Which image; without it the newest.</summary>
    public static Option<string?> ImageOption() =>
        CommonArguments.Text("--at", "N|LABEL", "number or label of the image [default: the newest]");

    /// <summary>An image that was put back from a copy.</summary>
    public static Option<bool> AcceptMixedOption() => CommonArguments.Flag(
        "--accept-mixed", "take the image even if it is not the one that was there when later ones were taken");

    private EraCommand Build()
    {
        _to.Required = true;
        EraCommand command = new(
            "restore-image",
            "Write an image to a disk. Everything is checked before it is written.",
            "era restore-image /backups/disk --to new-disk.img",
            "era restore-image /backups/disk --at 5 --to /dev/vg/disk --overwrite",
            "era restore-image /backups/disk --at before-upgrade --to disk.img --only-changed")
        {
            _repository.Operand,
            _at,
            _to,
            _metadata,
            _onlyChanged,
            _overwrite,
            _acceptMixed,
            _quiet,
        };
        _repository.AddTo(command);
        command.SetAction(Run);
        return command;
    }

    private int Run(ParseResult parse)
    {
        using StopToken stop = new();
        using Repository repository = _repository.Open(parse, stop.Token);
        repository.AcceptsMixedImages = parse.GetValue(_acceptMixed);
        ImageManifest image = repository.FindImage(parse.GetValue(_at));
        TextWriter error = parse.InvocationConfiguration.Error;
        TextWriter? terminal = ByteProgress.IsShown(parse.GetValue(_quiet), error) ? error : null;
        RestoreSession session = new(repository, image, terminal, stop.Token);
        string target = parse.GetRequiredValue(_to)!;
        string? metadata = parse.GetValue(_metadata) ?? DefaultMetadata.TryFind(target);
        bool onlyChanged = parse.GetValue(_onlyChanged);
        if (onlyChanged && metadata is null)
            throw new CommandException($"{target}: no eras are known of it ({target}.era is missing); leave --only-changed out");
        bool isThere = Path.Exists(target);
        if (isThere && !onlyChanged && !parse.GetValue(_overwrite))
            throw new CommandException($"{target}: is there already; say --overwrite to have all of it written over");
        parse.Output().WriteLine(
            onlyChanged ? session.RollBack(target, metadata!)
            : metadata is not null ? session.WriteTracked(target, metadata)
            : isThere ? session.WriteOver(target)
            : session.WriteNew(target));
        return ExitCode.Done;
    }
}
