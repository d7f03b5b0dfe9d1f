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
        command.Manual = """
            All that metadata consists of is read: the superblock, the archived writesets and the open one, the era array, the space map, and the metadata snapshot with all it shares. Checksums and addresses of all blocks are compared, every reference count is counted anew. A fault does not end the check.

            # FAULTS
            Each fault is a line: its level, the structure it is in, the metadata block and in brackets the way there from the superblock, what is wrong, and the origin blocks and eras concerned. There are three levels.

            * damage: A block is unreadable or contradicts others. Where that can make a list of changed blocks too short, the line says that the list is in doubt.
            * leak: The accounts of the space map are wrong in a way that wastes space. The lists are right.
            * cosmetic: Something is untidy, and nobody is misled by it. The exit status is 0 unless there is more.

            An array block that several entries of an index name is no fault, if each of them is counted and it has what all of them need. If one is not counted, or a block is used as two kinds of thing, that is damage.

            The last line is the verdict: whether the list of changes is right, that is, names every block that was written; and the same of the metadata snapshot's list. A fault of a block that is not in use cannot matter and is none.

            # EXIT STATUS
            * 0: No damage, and no leak unless leaks are to be ignored.
            * 1: Damage or leaks, or the check could not be made.
            * 2: The command line makes no sense.
            * 130: Ended by Ctrl-C.
            """;
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
