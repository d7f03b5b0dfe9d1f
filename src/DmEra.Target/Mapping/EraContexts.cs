using System.Globalization;
using DmEra.Devices;

namespace DmEra.Target.Mapping;

/// <summary>
/// What an era device can tell of its blocks: <c>era:last</c>, the era of each one's last write; and, for every era,
/// <c>era:since-ERA</c>, whether it was written in that era or later. The latter is also there as
/// <c>qemu:dirty-bitmap:since-ERA</c>, the form in which backup tools read the bitmaps of QEMU.
/// </summary>
/// <param name="target">The device.</param>
public sealed class EraContexts(EraTarget target) : IBlockStatusCatalog
{
    // The rest are found when asked for: one to each of thousands of eras would be no list to read.
    private const uint ListedEras = 8;

    private const string Last = "era:last";
    private static readonly string[] SincePrefixes = ["era:since-", "qemu:dirty-bitmap:since-"];

    /// <inheritdoc/>
    /// <remarks>Of the eras, the latest.</remarks>
    public IReadOnlyCollection<string> Names
    {
        get
        {
            uint current = target.Status.CurrentEra;
            IEnumerable<uint> eras = Enumerable.Range(0, (int)Math.Min(current, ListedEras)).Select(ago => current - (uint)ago);
            return [Last, .. SincePrefixes.SelectMany(prefix => eras.Select(era => prefix + Text(era)))];
        }
    }

    /// <inheritdoc/>
    public IBlockStatusContext? Find(string name)
    {
        if (string.Equals(name, Last, StringComparison.Ordinal)) return new LastWrittenContext(name, target);

        // An era to come is one of other metadata, which was lost: "nothing was written since" would be a lie.
        return TryParse(name, out uint since) && since <= target.Status.CurrentEra
            ? new WrittenSinceContext(name, since, target)
            : null;
    }

    private static bool TryParse(string name, out uint since)
    {
        since = 0;
        if (SincePrefixes.FirstOrDefault(prefix => name.StartsWith(prefix, StringComparison.Ordinal)) is not { } found)
            return false;
        string era = name[found.Length..];
        return uint.TryParse(era, NumberStyles.None, CultureInfo.InvariantCulture, out since)
            && string.Equals(era, Text(since), StringComparison.Ordinal);
    }

    private static string Text(uint era) => era.ToString(CultureInfo.InvariantCulture);
}
