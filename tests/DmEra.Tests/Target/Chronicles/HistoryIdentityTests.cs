using DmEra.Target.Chronicles;

namespace DmEra.Tests.Target.Chronicles;

/// <summary>A list since a moment is promised by a history that has the moment, and has missed nothing since.</summary>
public class HistoryIdentityTests
{
    private static readonly Guid Known = Guid.NewGuid();

    [Theory]
    [InlineData(0u, true)]
    [InlineData(4u, true)]
    [InlineData(5u, true)]      // the mark of era 5 is of what came after the gap
    [InlineData(6u, false)]
    [InlineData(9u, false)]
    public void Across_a_gap_nothing_is_promised_since_a_mark(uint gap, bool isKnown)
    {
        HistoryIdentity history = new(Lineage: null, CurrentEra: 9, gap, static era => era == 5 ? Known : null);

        string? why = history.WhyUnknown(new EraMark(5, Known));

        Assert.Equal(isKnown, why is null);
        if (!isKnown) Assert.Contains($"before era {gap} began, writes were missed", why, StringComparison.Ordinal);
        Assert.NotNull(history.WhyUnknown(new EraMark(5, Guid.NewGuid())));
    }

    [Theory]
    [InlineData(0u, 5u, true)]
    [InlineData(4u, 5u, true)]
    [InlineData(5u, 5u, false)]     // before it or after it
    [InlineData(6u, 5u, false)]
    [InlineData(0u, 0u, true)]
    public void A_moment_without_a_mark_is_before_a_gap_in_doubt(uint gap, uint era, bool isKnown) =>
        Assert.Equal(isKnown, new HistoryIdentity(null, 9, gap, static _ => null).WhyUnknown(era, mark: null) is null);

    [Fact]
    public void While_nobody_knows_which_history_it_is_nothing_is_promised()
    {
        HistoryIdentity history = new(null, 9, Gap: 0, static _ => Known) { IsSettled = false };

        Assert.Contains("try again", history.WhyUnknown(new EraMark(5, Known)), StringComparison.Ordinal);
        Assert.Contains("try again", history.WhyUnknown(5, mark: null), StringComparison.Ordinal);
    }
}
