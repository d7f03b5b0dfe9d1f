using System.CommandLine;
using DmEra.Cli.Offline;
using DmEra.Devices;
using DmEra.Tools;
using DmEra.Tools.Dump;
using DmEra.Tools.Repair;

namespace DmEra.Cli.Commands;

/// <summary><c>era dump</c>: metadata as XML.</summary>
internal static class DumpCommand
{
    public static Command Create()
    {
        Argument<string> metadata = CommonArguments.Metadata();
        Option<bool> repair = CommonArguments.Flag(
            "--repair", "of damaged metadata, dump what 'era repair' would save", "-r");
        Option<bool> logical = CommonArguments.Flag(
            "--logical", "fold the writesets into the era array: each block with the era of its last write");
        Option<string> format = new("--format")
        {
            Description = "how writesets are written: a bit for every block, or runs of marked blocks",
            DefaultValueFactory = static _ => "bits",
        };
        format.AcceptOnlyFromAmong("bits", "marked");
        Option<string?> output = CommonArguments.OutputFile();
        EraCommand command = new(
            "dump",
            "Write metadata as XML. An era that is still open comes out as a writeset like the others.",
            "era dump disk.img.era",
            "era dump --logical -o disk.xml disk.img.era")
        {
            metadata,
            repair,
            logical,
            format,
            output,
        };
        command.Manual = """
            The XML is that of era_dump 0.9.0 to the byte, but that an open era, which a crash leaves, is not passed over. To the standard output, a pipe or a device it goes as it is read; a file appears whole and durable or not at all, and keeps its mode. It is never the input, nor a file in use.

            With --repair, what is whole is dumped as it is. Of damaged metadata comes an era array, without writesets, in which blocks whose history is lost count as written in the current era; what was lost is told on the standard error.
            """;
        command.SetAction(parse => Run(
            parse,
            parse.GetRequiredValue(metadata),
            parse.GetValue(repair),
            parse.GetValue(logical),
            Enum.Parse<MarkStyle>(parse.GetRequiredValue(format), ignoreCase: true),
            parse.GetValue(output)));
        return command;
    }

    private static int Run(
        ParseResult parse, string path, bool isRepair, bool isLogical, MarkStyle style, string? outputPath)
    {
        using ToolRun run = new(parse, showProgress: !OutputFile.IsTerminal(outputPath));
        using FileBlockDevice file = MetadataFile.OpenAtRest(path);
        IBlockDevice metadata = run.Watch(file, MetadataUsage.BytesInUse(file));
        return run.Do(() => MetadataFile.Use(path, () =>
        {
            using OutputFile output = OutputFile.Open(parse, outputPath, run.Stop, file);
            if (isRepair) Repair(parse, path, metadata, output.Stream, style, isLogical);
            else if (isLogical) MetadataDumper.DumpLogical(metadata, output.Stream);
            else MetadataDumper.Dump(metadata, output.Stream, style);
            output.Complete();
            return ExitCode.Done;
        }));
    }

    private static void Repair(
        ParseResult parse, string path, IBlockDevice metadata, Stream output, MarkStyle style, bool isLogical)
    {
        RepairReport report;
        try { report = MetadataRepairer.Dump(metadata, output, style, isLogical); }
        catch (UnsalvageableException fault) { throw new CommandException($"{path}: {fault.Message}"); }

        foreach (string line in RepairText.Lines(report)) parse.InvocationConfiguration.Error.WriteLine($"{path}: {line}");
    }
}
