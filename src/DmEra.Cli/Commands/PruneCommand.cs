using System.CommandLine;
using DmEra.Backup.Images;
using DmEra.Backup.Upkeep;
using DmEra.Cli.Backups;

namespace DmEra.Cli.Commands;

/// <summary><c>era prune</c>: removes images, and what only they needed.</summary>
internal sealed class PruneCommand
{
    private readonly Option<int> _last = Count("--keep", "the newest N images");
    private readonly Option<int> _daily = Count("--keep-daily", "the newest image of each of the last N days that have one");
    private readonly Option<int> _weekly = Count("--keep-weekly", "the same for weeks");
    private readonly Option<int> _monthly = Count("--keep-monthly", "the same for months");
    private readonly Option<bool> _dryRun = CommonArguments.Flag("--dry-run", "tell what would go, and remove nothing");
    private readonly Option<bool> _removeDamaged = CommonArguments.Flag(
        "--remove-damaged", "remove images whose document is damaged even if they are among the newest that --keep asks for");

    private readonly Option<bool> _json = CommonArguments.Json();
    private readonly RepositoryArguments _repository = new();

    public static Command Create() => new PruneCommand().Build();

    private EraCommand Build()
    {
        EraCommand command = new(
            "prune",
            "Remove images that no --keep asks for, and what only they needed. The newest always stays; the others are whole "
                + "whatever goes, so that the oldest one kept is as good as a full one.",
            "era prune /backups/disk --keep 7",
            "era prune /backups/disk --keep-daily 7 --keep-weekly 4 --keep-monthly 12 --dry-run")
        {
            _repository.Operand,
            _last,
            _daily,
            _weekly,
            _monthly,
            _dryRun,
            _removeDamaged,
            _json,
        };
        _repository.AddTo(command);
        command.SetAction(Run);
        return command;
    }

    private int Run(ParseResult parse)
    {
        KeepPolicy policy = new(
            parse.GetValue(_last), parse.GetValue(_daily), parse.GetValue(_weekly), parse.GetValue(_monthly));
        if (policy is { Last: 0, Daily: 0, Weekly: 0, Monthly: 0 })
            throw new CommandException("say what to keep, as in --keep 7; see 'era prune --help'", ExitCode.Usage);
        bool isDryRun = parse.GetValue(_dryRun);
        DamagedImages damaged = parse.GetValue(_removeDamaged) ? DamagedImages.Remove : DamagedImages.Count;
        using StopToken stop = new();
        using Repository repository = _repository.Open(parse, stop.Token);
        PruneReport report = isDryRun
            ? Prune.Plan(repository, policy, damaged, TimeZoneInfo.Local)
            : Prune.Run(repository, policy, damaged, stop.Token);
        if (parse.GetValue(_json)) parse.Output().WriteLine(BackupReports.ToJson(report));
        else Write(parse.Output(), report, isDryRun);
        return ExitCode.Done;
    }

    private static void Write(TextWriter output, PruneReport report, bool isDryRun)
    {
        if (report.Kept.Count == 0)
        {
            output.WriteLine("there is no image to keep; nothing is removed");
            return;
        }

        string dropped = report.Dropped.Count == 0 ? "nothing" : $"image {string.Join(", ", report.Dropped)}";
        output.WriteLine($"keeps image {string.Join(", ", report.Kept)}");
        string freed = report.BytesFreed > 0 ? $"; {Amount.Bytes(report.BytesFreed)} freed" : "";
        output.WriteLine(isDryRun ? $"would remove {dropped}" : $"removed {dropped}{freed}");
        if (report.Damaged.Count > 0) output.WriteLine($"image {string.Join(", ", report.Damaged)}: the document was damaged");
        if (!report.IsCompact) output.WriteLine("there is no room to write packs anew without what nobody needs; prune again when there is");
    }

    private static Option<int> Count(string name, string description)
    {
        Option<int> option = new(name) { Description = description, HelpName = "N" };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: string text }] && (!int.TryParse(text, out int count) || count < 0))
                result.AddError($"'{text}' is no count");
        });
        return option;
    }
}
