using System.Globalization;
using DmEra.Backup.Images;

namespace DmEra.Backup.Upkeep;

/// <summary>Which images a prune keeps: those that any of the rules asks for, and always the newest.</summary>
/// <param name="Last">The newest ones, so many.</param>
/// <param name="Daily">The newest of each day that has one, for so many days.</param>
/// <param name="Weekly">The newest of each week (ISO 8601), for so many weeks.</param>
/// <param name="Monthly">The newest of each month, for so many months.</param>
public sealed record KeepPolicy(int Last, int Daily, int Weekly, int Monthly)
{
    /// <summary>The numbers of the images that stay.</summary>
    /// <param name="images">All images.</param>
    /// <param name="zone">Where days begin.</param>
    public IReadOnlySet<uint> Choose(IEnumerable<ImageManifest> images, TimeZoneInfo zone)
    {
        List<ImageManifest> newestFirst = [.. images.OrderByDescending(image => image.Number)];
        HashSet<uint> kept = [.. newestFirst.Take(Math.Max(Last, 1)).Select(image => image.Number)];
        DateTime Day(ImageManifest image) => TimeZoneInfo.ConvertTime(image.Created, zone).Date;
        kept.UnionWith(NewestOfEach(newestFirst, Daily, Day));
        kept.UnionWith(NewestOfEach(
            newestFirst, Weekly, image => (ISOWeek.GetYear(Day(image)), ISOWeek.GetWeekOfYear(Day(image)))));
        kept.UnionWith(NewestOfEach(newestFirst, Monthly, image => (Day(image).Year, Day(image).Month)));
        return kept;
    }

    private static IEnumerable<uint> NewestOfEach<TPeriod>(
        List<ImageManifest> newestFirst, int count, Func<ImageManifest, TPeriod> period) =>
        newestFirst.DistinctBy(period).Take(count).Select(image => image.Number);
}
