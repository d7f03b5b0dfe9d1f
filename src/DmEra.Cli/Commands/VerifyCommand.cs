using System.CommandLine;
using DmEra.Backup.Images;
using DmEra.Backup.Upkeep;
using DmEra.Cli.Backups;

namespace DmEra.Cli.Commands;

/// <summary><c>era verify</c>: reads a whole repository.</summary>
internal static class VerifyCommand
{
    public static Command Create()
    {
        RepositoryArguments repository = new();
        Option<bool> content = CommonArguments.Flag(
            "--content", "restore all content too, and compare it with the checksum it had before it was compressed");
        Option<bool> json = CommonArguments.Json();
        Option<bool> quiet = CommonArguments.Flag("--quiet", "show no progress, and nothing when all is well", "-q");
        EraCommand command = new(
            "verify",
            "Read everything in a repository and compare it with its checksums; make sure that every image is whole. "
                + "Exit status 1: something is damaged.",
            "era verify /backups/disk",
            "era verify s3://backups/disk --key-file disk.key --content --json")
        {
            repository.Operand,
            content,
            json,
            quiet,
        };
        repository.AddTo(command);
        command.SetAction(parse =>
        {
            using StopToken stop = new();
            using Repository opened = repository.Open(parse, stop.Token);
            VerifyDepth depth = parse.GetValue(content) ? VerifyDepth.Content : VerifyDepth.Stored;
            VerifyReport report = Verify(opened, depth, parse, parse.GetValue(quiet), stop.Token);
            if (parse.GetValue(json)) parse.Output().WriteLine(BackupReports.ToJson(report));
            else Write(parse.Output(), report, parse.GetValue(quiet));
            return report.Damage.Count == 0 ? ExitCode.Done : ExitCode.Failed;
        });
        return command;
    }

    private static VerifyReport Verify(
        Repository repository, VerifyDepth depth, ParseResult parse, bool isQuiet, CancellationToken stop)
    {
        TextWriter error = parse.InvocationConfiguration.Error;
        bool isShown = ByteProgress.IsShown(isQuiet, error);
        using ByteProgress progress = new(isShown ? error : null, isShown ? repository.StoredBytes() : 0, TimeProvider.System);
        return DmEra.Backup.Upkeep.Verify.Run(repository, depth, progress, stop);
    }

    private static void Write(TextWriter output, VerifyReport report, bool isQuiet)
    {
        foreach (RepositoryDamage damage in report.Damage)
        {
            string images = damage.Images.Count == 0
                ? "no image needs it"
                : $"image {string.Join(", ", damage.Images)} cannot be restored in full";
            string bytes = damage.Bytes > 0 ? $" ({Amount.Bytes(damage.Bytes)})" : "";
            output.WriteLine($"{damage.Name}: {damage.Cause}; {images}{bytes}");
        }

        if (report.Damage.Count > 0) output.WriteLine("'era backup --full' begins a new chain that needs nothing of this");
        else if (!isQuiet) output.WriteLine($"all is well: images {report.Images}, packs {report.Packs}, {Amount.Bytes(report.Bytes)}");
    }
}
