using System.Text.Json;
using System.Text.Json.Serialization;
using DmEra.Target.History;
using DmEra.Tools.Caches;

namespace DmEra.Cli.Offline;

/// <summary>How <c>era invalidate --cache</c> tells what it found.</summary>
internal static class CacheReport
{
    private const int MostRangesInWords = 12;

    /// <summary>Writes the list of what the cache must forget.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="found">What it must forget.</param>
    /// <param name="since">The era asked for.</param>
    /// <param name="format"><c>messages</c>, <c>ranges</c> or <c>json</c>.</param>
    public static void Write(Stream output, StaleCacheBlocks found, uint since, string format)
    {
        if (format is "json")
        {
            CacheList list = new(since, found.BlockCount, found.Cached, found.IsClean, Pairs(found.Stale), Pairs(found.Dirty));
            JsonSerializer.Serialize(output, list, CacheReportJson.Default.CacheList);
            output.Write("\n"u8);
            return;
        }

        using StreamWriter text = new(output, leaveOpen: true);
        IEnumerable<string> lines = format is "messages"
            ? CacheMessages.Invalidate(found.Stale)
            : found.Stale.Select(range => $"{range.Begin} {range.End}");
        foreach (string line in lines) text.Write($"{line}\n");
    }

    /// <summary>Tells what needs care.</summary>
    public static void Warn(TextWriter error, string path, StaleCacheBlocks found)
    {
        if (found.Dirty.Count == 0) return;
        long count = found.Dirty.Sum(range => (long)range.Count);
        error.WriteLine(found.IsClean
            ? $"era: {path}: {count} cache blocks are dirty ({Words(found.Dirty)}): the device below was never told what is in them, so that its eras "
                + "do not tell whether they are stale. Have them written back before the rollback (policy cleaner), or drop them all"
            : $"era: {path}: the cache was not shut down in good order: all {count} blocks in use count as dirty, and may be stale "
                + "whatever the eras say. Begin with an empty cache, or have them written back before the rollback");
    }

    // As in the messages: ends are exclusive.
    private static string Words(IReadOnlyList<BlockRange> ranges)
    {
        IEnumerable<string> words = ranges.Take(MostRangesInWords).Select(CacheMessages.Word);
        return string.Join(' ', words) + (ranges.Count > MostRangesInWords ? " ...; --format json lists all" : "");
    }

    private static uint[][] Pairs(IReadOnlyList<BlockRange> ranges) => [.. ranges.Select(range => new[] { range.Begin, range.End })];
}

/// <summary>The list as JSON. Ends of ranges are exclusive.</summary>
internal sealed record CacheList(
    uint Since, uint CacheBlocks, uint Cached, bool IsClean, uint[][] Invalidate, uint[][] Dirty);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(CacheList))]
internal sealed partial class CacheReportJson : JsonSerializerContext;
