using System.Globalization;

namespace DmEra.Tools.Caches;

/// <summary>A table line of dm-cache:
/// <c>START LENGTH cache METADATA CACHE ORIGIN BLOCK_SIZE #FEATURES FEATURE... POLICY #ARGUMENTS ARGUMENT...</c>.</summary>
public sealed record CacheTable
{
    private static readonly string[] Modes = ["writeback", "writethrough", "passthrough"];

    private readonly string[] _before;      // up to the block size
    private readonly string[] _features;
    private readonly string[] _policy;      // its name and what belongs to it

    private CacheTable(string[] before, string[] features, string[] policy)
    {
        _before = before;
        _features = features;
        _policy = policy;
    }

    /// <summary>The device with its metadata, as the line has it.</summary>
    public string Metadata => _before[3];

    /// <summary>Reads a table line.</summary>
    /// <exception cref="FormatException">It is none of dm-cache.</exception>
    public static CacheTable Parse(string line)
    {
        string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words is not [_, _, "cache", _, _, _, _, string count, ..]
            || !int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out int features)
            || words.Length < 8 + features + 2)
        {
            throw new FormatException($"'{line}' is no table of dm-cache");
        }

        return new CacheTable(words[..7], words[8..(8 + features)], words[(8 + features)..]);
    }

    /// <summary>The same cache in passthrough mode: reads go to the origin, and nothing new is cached.</summary>
    public CacheTable InPassthrough() =>
        new(_before, [.. _features.Where(feature => !Modes.Contains(feature, StringComparer.Ordinal)), "passthrough"], _policy);

    /// <summary>The same cache with the policy that writes back what is dirty, and caches nothing.</summary>
    public CacheTable BeingCleaned() => new(_before, _features, ["cleaner", "0"]);

    /// <summary>The table line.</summary>
    public override string ToString() => string.Join(' ', [
        .. _before, _features.Length.ToString(CultureInfo.InvariantCulture), .. _features, .. _policy]);
}
