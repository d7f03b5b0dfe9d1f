using DmEra.Tests;

namespace DmEra.EndToEnd.Canaries;

/// <summary>
/// Tests of the tester: builds of the product that are broken on purpose, one line each, in the ways that have lost
/// marks before. The simulation must catch every one of them.
/// </summary>
public class CanaryTests(SourceCopy sources) : IClassFixture<SourceCopy>
{
    public static TheoryData<string> BrokenBuilds { get; } = [.. Canary.All.Select(canary => canary.Name)];

    [Fact]
    public void Healthy_build_passes() => Assert.Equal(0, sources.BuildAndSimulate(longest: 2, worlds: 40).ExitCode);

    [Theory]
    [MemberData(nameof(BrokenBuilds))]
    public void Broken_build_is_caught(string name)
    {
        ProgramResult result = sources.BreakAndSimulate(Canary.Named(name), longest: 3, worlds: 1000);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("replay: simulation ", result.Error, StringComparison.Ordinal);
    }
}
