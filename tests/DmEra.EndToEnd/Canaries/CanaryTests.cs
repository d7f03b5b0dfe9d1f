using DmEra.Tests;

namespace DmEra.EndToEnd.Canaries;

/// <summary>
/// Tests of the tester: a build of the product that can be broken in the ways that have lost marks or data before, one
/// at a time. The simulation must catch every one of them.
/// </summary>
public class CanaryTests(CanaryBuild build) : IClassFixture<CanaryBuild>
{
    public static TheoryData<string> Names { get; } = [.. Canary.All.Select(canary => canary.Name)];

    [Fact]
    public void Healthy_product_passes()
    {
        build.Simulate("", Hunt.SmallWorld, longest: 2).AssertSuccess();
        build.Simulate("", Hunt.Worlds, worlds: 40).AssertSuccess();
        build.Simulate("", Hunt.Backups, worlds: 40).AssertSuccess();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Broken_product_is_caught(string name)
    {
        ProgramResult result = build.Simulate(name, Canary.Named(name).Hunt);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("replay: simulation ", result.Error, StringComparison.Ordinal);
    }
}
