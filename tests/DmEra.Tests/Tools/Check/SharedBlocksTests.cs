using DmEra.Target.History;
using DmEra.Tests.Target;
using DmEra.Tools.Check;
using static DmEra.Tests.Tools.Check.CheckedImage;

namespace DmEra.Tests.Tools.Check;

/// <summary>Array blocks that many entries name: honest, if each is counted and has what all of them need.</summary>
public sealed class SharedBlocksTests
{
    private const uint Blocks = 200_000;        // 197 blocks of the era array, 7 of a writeset

    private readonly ImageEditor _image = new(SharedImage.Make(Blocks, 11).Device.ToArray());

    private ulong EraRoot => _image.Get64(0, 208);

    /// <summary>The block that most entries of the era array name.</summary>
    private ulong Shared => Entries().GroupBy(entry => entry.Block).MaxBy(entries => entries.Count())!.Key;

    [Theory, InlineData(1), InlineData(2), InlineData(3), InlineData(11)]
    public void What_is_honestly_shared_is_free_of_faults(int seed)
    {
        byte[] image = SharedImage.Make(Blocks, seed).Device.ToArray();

        Assert.Empty(Examine(image).Faults);
        Assert.InRange(EraAudit.Read(image).UsedBlocks, 1, 100);
    }

    [Fact]
    public void A_shared_block_that_is_counted_too_low_is_one_damage()
    {
        ulong leaf = _image.Get64(0, 68);       // of the tree of large counts
        int entry = Enumerable.Range(0, (int)_image.Get32(leaf, 16)).Single(i => _image.Get64(leaf, 32 + (8 * i)) == Shared);
        int place = 32 + (8 * (int)_image.Get32(leaf, 20)) + (4 * entry);
        uint count = _image.Get32(leaf, place);

        CheckReport report = Examine(_image.Set32(leaf, place, count - 1));

        Fault fault = Assert.Single(report.Faults);
        Assert.Equal($"block {Shared} has {count} pointers, but a count of {count - 1}: it may have been overwritten", fault.Cause);
        Assert.False(report.IsTrustworthy);
    }

    [Fact]
    public void A_shared_block_that_is_damaged_is_one_damage_of_all_entries_that_name_it()
    {
        ulong shared = Shared;
        int[] indexes = [.. Entries().Where(entry => entry.Block == shared).Select(entry => entry.Index)];

        Fault fault = Assert.Single(Examine(_image.Flip(shared, 20_000)).Faults);

        Assert.Equal("bad checksum in array block", fault.Cause);
        Assert.Equal(new BlockRange((uint)indexes[0] * 1018, (uint)(indexes[^1] + 1) * 1018), fault.Blocks);
    }

    [Fact]
    public void A_shared_block_that_is_too_short_for_those_that_name_it_is_damage()
    {
        CheckReport report = Examine(_image.Set32(Shared, 8, 1017));

        Assert.Equal("array block: 1017 entries, not 1018", Assert.Single(report.Faults).Cause);
        Assert.False(report.IsTrustworthy);
    }

    [Fact]
    public void The_last_entry_must_not_name_the_block_of_the_others_unless_that_is_counted()
    {
        (int Index, ulong Block)[] entries = [.. Entries()];

        CheckReport report = Examine(_image.Set64(EraRoot, Values8 + (8 * entries[^1].Index), Shared));

        Assert.Single(report.Faults, fault => fault.Level == FaultLevel.Damage);
        Assert.False(report.IsTrustworthy);
    }

    [Fact]
    public void A_shared_block_with_an_era_yet_to_come_is_one_damage()
    {
        CheckReport report = Examine(_image.Set32(Shared, 24 + (4 * 7), 99));

        Assert.Equal("era 99, but the current one is 9", Assert.Single(report.Faults).Cause);
    }

    [Theory, InlineData(2u), InlineData(0u)]
    public void A_large_count_that_contradicts_the_bitmap_is_damage(uint count)
    {
        ulong leaf = _image.Get64(0, 68);
        if (count == 0) _image.Set32(leaf, 16, _image.Get32(leaf, 16) - 1);
        else _image.Set32(leaf, 32 + (8 * (int)_image.Get32(leaf, 20)), count);

        Assert.Contains(Examine(_image).Faults, fault => fault.Level == FaultLevel.Damage
            && fault.Cause.StartsWith("the overflow tree has ", StringComparison.Ordinal));
    }

    private IEnumerable<(int Index, ulong Block)> Entries() =>
        Enumerable.Range(0, 197).Select(i => (i, _image.Get64(EraRoot, Values8 + (8 * i))));
}
