using System.CommandLine;
using DmEra.Cli.Offline;
using DmEra.Devices;
using DmEra.Target.History;
using DmEra.Tools;

namespace DmEra.Cli.Commands;

/// <summary><c>era invalidate</c>: what was written since an era, read from metadata.</summary>
internal static class InvalidateCommand
{
    public static Command Create()
    {
        Argument<string> metadata = CommonArguments.Metadata();
        Option<uint> since = CommonArguments.Era(
            "--written-since", "list what was written in this era or later; 0 lists every block");
        Option<bool> snapshot = CommonArguments.Flag(
            "--metadata-snapshot", "read the metadata snapshot; the device may be running", "--metadata-snap");
        Option<string> format = CommonArguments.ListFormat();
        Option<string?> output = CommonArguments.OutputFile();
        EraCommand command = new(
            "invalidate",
            "List the blocks written in an era or later, from metadata at rest or from a metadata snapshot.",
            "era invalidate --written-since 4 disk.img.era",
            "era invalidate --written-since 4 --metadata-snapshot --format ranges disk.img.era")
        {
            metadata,
            since,
            snapshot,
            format,
            output,
        };
        command.Manual = """
            The era given is included, and so is an era that is still open, as after a crash. The metadata snapshot is read instead of the live metadata with --metadata-snapshot, and may be while the device, the kernel's or ours, is running; should the snapshot be dropped meanwhile, the command fails.

            # FORMATS
            * xml: The words of era_invalidate 0.9.0, to the byte: <block block="N"/> and <range begin="N" end = "M"/>.
            * json: An object: since, currentEra, blockSize in bytes, blockCount, and ranges, an array of pairs.
            * ranges: A line "BEGIN END" each.

            Numbers are blocks of the device, and the end of a range is the block behind it. A list that breaks off because metadata is damaged is worthless: the exit status is 1 then, and a file given with --output does not appear.
            """;
        command.SetAction(parse => Run(
            parse,
            parse.GetRequiredValue(metadata),
            parse.GetValue(snapshot),
            parse.GetRequiredValue(since),
            Enum.Parse<ChangeListFormat>(parse.GetRequiredValue(format), ignoreCase: true),
            parse.GetValue(output)));
        return command;
    }

    private static int Run(
        ParseResult parse, string path, bool fromSnapshot, uint since, ChangeListFormat format, string? outputPath)
    {
        using ToolRun run = new(parse, showProgress: true);
        using FileBlockDevice file = fromSnapshot ? MetadataFile.OpenBesideWriter(path) : MetadataFile.OpenAtRest(path);
        IBlockDevice metadata = run.Watch(file, MetadataUsage.BytesInUse(file));
        return run.Do(() => MetadataFile.Use(path, () =>
        {
            using EraHistory? history = fromSnapshot ? EraHistory.OpenSnapshot(metadata) : EraHistory.Open(metadata);
            if (history is null) throw new CommandException($"{path}: no metadata snapshot taken");
            using OutputFile output = OutputFile.Open(parse, outputPath);
            ChangeList.Write(output.Stream, history, since, format);
            output.Complete();
            return ExitCode.Done;
        }));
    }
}
