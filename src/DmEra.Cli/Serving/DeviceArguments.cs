using System.CommandLine;
using DmEra.Serving.Hosting;
using DmEra.Target.Mapping;

namespace DmEra.Cli.Serving;

/// <summary>The options of <c>era serve</c> and <c>era attach</c> that say what a device is.</summary>
internal sealed class DeviceArguments
{
    private readonly Option<string?> _metadata = CommonArguments.Text(
        "--metadata", "PATH", "where the eras are kept; made if it is missing [default: ORIGIN.era]");

    private readonly Option<long?> _blockSize = CommonArguments.Size(
        "--block-size", "granularity of the record, a multiple of 4K [default: that of the metadata, or 64K]");

    private readonly Option<long?> _size = CommonArguments.Size(
        "--size", "make ORIGIN with this size if it is missing");

    private readonly Option<bool> _reserve = CommonArguments.Flag(
        "--reserve", "have the metadata file take all of its space at once, not in steps as it needs it");

    private readonly Option<uint?> _markAhead = CommonArguments.NumberOrOff(
        "--mark-ahead",
        EraTargetOptions.MostMarkedAhead,
        "mark up to N blocks ahead of a sequential writer, so that it need not wait: where it stops, lists of changes may name as many too many [default: 64, or 4M worth if that is less]");

    /// <summary>Those that a table line replaces.</summary>
    public Symbol[] OfFiles => [_metadata, _blockSize, _size];

    /// <summary>All of them, in order of the help.</summary>
    public IEnumerable<Option> Options => [_metadata, _blockSize, _size, _reserve, _markAhead];

    /// <summary>What the command line asks for.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="origin">The origin; null when a table line says it.</param>
    public DeviceRequest Request(ParseResult parse, string? origin) => new()
    {
        Origin = origin,
        Metadata = parse.GetValue(_metadata),
        BlockSize = parse.GetValue(_blockSize),
        Size = parse.GetValue(_size),
        Reserve = parse.GetValue(_reserve),
        MarkAhead = parse.GetValue(_markAhead),
        Folder = "",
        Prefix = "--",
    };
}
