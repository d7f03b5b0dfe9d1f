using System.CommandLine;
using DmEra.Cli.Offline;
using DmEra.Devices;
using DmEra.Tools;
using DmEra.Tools.Check;

namespace DmEra.Cli.Commands;

/// <summary><c>era check</c>: whether metadata is whole, and what is wrong with it.</summary>
internal static class CheckCommand
{
    public static Command Create()
    {
        Argument<string> metadata = CommonArguments.Metadata();
        Option<bool> superblockOnly = CommonArguments.Flag("--super-block-only", "check the superblock and stop");
        Option<bool> ignoreNonFatal = CommonArguments.Flag(
            "--ignore-non-fatal-errors", "exit with 0 when there are leaks, but no damage");
        Option<bool> json = CommonArguments.Json();
        Option<bool> quiet = CommonArguments.Flag("--quiet", "print nothing: the exit status tells", "-q");
        EraCommand command = new(
            "check",
            "Check metadata: every block in use, every reference count, and whether the lists of changes can be relied on.",
            "era check disk.img.era",
            "era check --json disk.img.era")
        {
            metadata,
            superblockOnly,
            ignoreNonFatal,
            json,
            quiet,
        };
        command.SetAction(parse =>
        {
            string path = parse.GetRequiredValue(metadata);
            CheckReport report = Check(parse, path, parse.GetValue(superblockOnly), parse.GetValue(quiet));
            if (parse.GetValue(json)) CheckJson.Write(report, parse.Output());
            else if (!parse.GetValue(quiet)) CheckText.Write(path, report, parse.Output());
            bool isBad = report.DamageCount > 0 || (report.LeakCount > 0 && !parse.GetValue(ignoreNonFatal));
            return isBad ? ExitCode.Failed : ExitCode.Done;
        });
        return command;
    }

    private static CheckReport Check(ParseResult parse, string path, bool superblockOnly, bool isQuiet)
    {
        using ToolRun run = new(parse, showProgress: !isQuiet);
        using FileBlockDevice file = MetadataFile.OpenAtRest(path);
        IBlockDevice metadata = run.Watch(file, MetadataUsage.BytesInUse(file));
        return run.Do(() => superblockOnly ? MetadataChecker.CheckSuperblock(metadata) : MetadataChecker.Check(metadata));
    }
}
