namespace DmEra.Tests;

/// <summary>
/// Seeds for tests that run random operations against a model. A theory's failure names its seed; with the
/// environment variable ERA_SEED set to it, that one alone is run.
/// </summary>
internal static class Seeds
{
    /// <summary>As many seeds, always the same ones; or the one in ERA_SEED.</summary>
    public static TheoryData<int> For(int count) =>
        Environment.GetEnvironmentVariable("ERA_SEED") is { Length: > 0 } seed
            ? [int.Parse(seed)]
            : [.. Enumerable.Range(1, count)];
}
