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
