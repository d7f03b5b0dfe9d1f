using DmEra.Fuzz;
using DmEra.Fuzz.Metadata;
using DmEra.Tests.Golden;
using Xunit.Abstractions;

namespace DmEra.Tests.Fuzz;

public sealed class FuzzTests(ITestOutputHelper output)
{
    private const int Cases = 20_000;

    [Fact]
    public void Bad_input_is_refused_located_or_repaired_and_never_believed()
    {
        int seed = int.Parse(Environment.GetEnvironmentVariable("ERA_SEED") ?? "1");
        // The kernel's metadata beside our own.
        FuzzImage[] images = [.. FuzzImages.All, .. GoldenImage.Names.Select(name => new FuzzImage(name, GoldenImage.Load(name).Metadata))];

        (long cases, Coverage coverage) = FuzzRun.Run(images, seed, Cases, TimeSpan.MaxValue);

        output.WriteLine($"{cases} cases from seed {seed} on");
        foreach ((string what, long times) in coverage.Counts) output.WriteLine($"{times} {what}");
        Assert.Equal(Cases, cases);
        Assert.All(
            ["metadata: list trusted, broken", "metadata: list in doubt, broken", "metadata: repaired", "XML: restored"],
            what => Assert.True(coverage.Counts.GetValueOrDefault(what) > Cases / 100, what));
    }
}
