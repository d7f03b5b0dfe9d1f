using System.CommandLine;
using DmEra.Cli.Offline;
using DmEra.Devices;
using DmEra.Target.History;
using DmEra.Target.Labels;
using DmEra.Target.Metadata;
using DmEra.Tools;
using DmEra.Tools.Caches;

namespace DmEra.Cli.Commands;

/// <summary><c>era invalidate</c>: what was written since an era, read from metadata; or what a cache must forget
/// therefore.</summary>
internal sealed class InvalidateCommand
{
    private readonly Argument<string> _metadata = CommonArguments.Metadata();

    private readonly Option<string> _since = CommonArguments.Era(
        "--written-since", "list what was written in this era, or since this label, or later; 0 lists every block");

    private readonly Option<bool> _snapshot = CommonArguments.Flag(
        "--metadata-snapshot", "read the metadata snapshot; the device may be running", "--metadata-snap");

    private readonly Option<string?> _cache = CommonArguments.Text("--cache", "CACHE-METADATA",
        "list the blocks of this dm-cache on top of the device that hold something written since; it must be suspended or not in use");

    private readonly Option<string?> _format = CommonArguments.ListOrMessageFormat();
    private readonly Option<string?> _output = CommonArguments.OutputFile();

    public static Command Create() => new InvalidateCommand().Build();

    private EraCommand Build()
    {
        EraCommand command = new(
            "invalidate",
            "List the blocks written in an era or later, from metadata at rest or from a metadata snapshot.",
            "era invalidate --written-since 4 disk.img.era",
            "era invalidate --written-since 4 --metadata-snapshot --format ranges disk.img.era",
            "era invalidate --written-since 'before upgrade' --cache /dev/vg/cache-meta disk.img.era")
        {
            _metadata,
            _since,
            _snapshot,
            _cache,
            _format,
            _output,
        };
        command.Manual = """
            The era given is included, and so is an era that is still open, as after a crash. The metadata snapshot is read instead of the live metadata with --metadata-snapshot, and may be while the device, the kernel's or ours, is running; should the snapshot be dropped meanwhile, the command fails.

            # FORMATS
            * xml: The words of era_invalidate 0.9.0, to the byte: <block block="N"/> and <range begin="N" end = "M"/>.
            * json: An object: since, currentEra, blockSize in bytes, blockCount, and ranges, an array of pairs.
            * ranges: A line "BEGIN END" each.
            * messages: With --cache only: words for "dmsetup message CACHE 0 ...", a line each.

            Numbers are blocks of the device, and the end of a range is the block behind it. A list that breaks off because metadata is damaged is worthless: the exit status is 1 then, and a file given with --output does not appear.
            """;
        command.SetAction(Run);
        return command;
    }

    private int Run(ParseResult parse)
    {
        string path = parse.GetRequiredValue(_metadata);
        string? cache = parse.GetValue(_cache);
        string format = parse.GetValue(_format) ?? (cache is null ? "xml" : "messages");
        if (cache is null && format is "messages") throw new CommandException("messages are for a --cache", ExitCode.Usage);
        if (cache is not null && format is "xml") throw new CommandException("there is no XML of cache blocks", ExitCode.Usage);
        bool fromSnapshot = parse.GetValue(_snapshot);
        using ToolRun run = new(parse, showProgress: !OutputFile.IsTerminal(parse.GetValue(_output)));
        using FileBlockDevice file = fromSnapshot ? MetadataFile.OpenBesideWriter(path) : MetadataFile.OpenAtRest(path);
        IBlockDevice metadata = run.Watch(file, MetadataUsage.BytesInUse(file));
        return run.Do(() => MetadataFile.Use(path, () =>
        {
            using EraHistory? history = fromSnapshot ? EraHistory.OpenSnapshot(metadata) : EraHistory.Open(metadata);
            if (history is null) throw new CommandException($"{path}: no metadata snapshot taken");
            uint since = EraNames.Find(
                parse.GetRequiredValue(_since), path, MetadataState.Read(metadata), line => parse.InvocationConfiguration.Error.WriteLine($"era: {line}"));
            if (cache is not null) return RunCache(parse, cache, file, history, since, format, run.Stop);
            if (since > history.CurrentEra)
            {
                // The empty list is era_invalidate's answer, and scripts rely on it.
                parse.InvocationConfiguration.Error.WriteLine(
                    $"era: {path}: era {since} has not begun, the current era is {history.CurrentEra}: the list is empty, which says nothing");
            }

            using OutputFile output = OutputFile.Open(parse, parse.GetValue(_output), run.Stop, file);
            ChangeList.Write(output.Stream, history, since, Enum.Parse<ChangeListFormat>(format, ignoreCase: true));
            output.Complete();
            return ExitCode.Done;
        }));
    }

    private int RunCache(
        ParseResult parse, string path, FileBlockDevice metadata, EraHistory history, uint since, string format, CancellationToken stop)
    {
        using FileBlockDevice device = CacheFile.Open(path);
        StaleCacheBlocks found = MetadataFile.Use(path, () => StaleCacheBlocks.Find(CacheMetadata.Open(device), history, since));
        using OutputFile output = OutputFile.Open(parse, parse.GetValue(_output), stop, metadata, device);
        CacheReport.Write(output.Stream, found, since, format);
        output.Complete();
        CacheReport.Warn(parse.InvocationConfiguration.Error, path, found);
        return ExitCode.Done;
    }
}
