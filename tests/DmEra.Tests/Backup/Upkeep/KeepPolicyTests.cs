using DmEra.Backup.Images;
using DmEra.Backup.Upkeep;
using DmEra.Target.Tracking;

namespace DmEra.Tests.Backup.Upkeep;

public sealed class KeepPolicyTests
{
    // One image a day at noon from New Year's Day 2024, a Monday, on; their numbers are days of the year.
    private static readonly ImageManifest[] Year = [.. Enumerable.Range(1, 366).Select(day => Image((uint)day, day))];

    [Fact]
    public void The_newest_always_stays() => Assert.Equal([366u], Kept(new KeepPolicy(0, 0, 0, 0)));

    [Fact]
    public void The_last_ones_stay() => Assert.Equal([364u, 365u, 366u], Kept(new KeepPolicy(3, 0, 0, 0)));

    [Fact]
    public void The_newest_of_each_week_stays() =>
        // The year ends on a Tuesday; Sundays before that.
        Assert.Equal([357u, 364u, 366u], Kept(new KeepPolicy(0, 0, 3, 0)));

    [Fact]
    public void The_newest_of_each_month_stays() => Assert.Equal([305u, 335u, 366u], Kept(new KeepPolicy(0, 0, 0, 3)));

    [Fact]
    public void Of_several_on_a_day_the_newest_stays()
    {
        ImageManifest[] images = [Image(1, 1), Image(2, 1), Image(3, 2), Image(4, 2)];

        Assert.Equal([2u, 4u], new KeepPolicy(0, 2, 0, 0).Choose(images, TimeZoneInfo.Utc).Order());
    }

    [Fact]
    public void What_any_rule_asks_for_stays() =>
        Assert.Equal([335u, 359u, 360u, 361u, 362u, 363u, 364u, 365u, 366u], Kept(new KeepPolicy(8, 0, 0, 2)));

    private static IEnumerable<uint> Kept(KeepPolicy policy) => policy.Choose(Year, TimeZoneInfo.Utc).Order();

    private static ImageManifest Image(uint number, int day) => new()
    {
        Number = number,
        Id = Guid.Empty,
        Created = new DateTimeOffset(2024, 1, 1, 12, 0, 0, TimeSpan.Zero).AddDays(day - 1),
        Device = new DeviceIdentity("d", null, 8, 8),
        LastEra = 1,
        Consistency = ImageConsistency.Stopped,
        Map = "",
        Cost = new ImageCost(0, 0, 0, 0, 0),
    };
}
