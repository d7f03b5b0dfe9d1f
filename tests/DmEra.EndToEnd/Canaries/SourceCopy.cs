using DmEra.Tests;
using DmEra.Tests.Conventions;

namespace DmEra.EndToEnd.Canaries;

/// <summary>A copy of the sources that the simulation is built from, to be broken and mended.</summary>
public sealed class SourceCopy : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);
    private static readonly string[] Sources =
    [
        "src", "tests/DmEra.Simulation", "tests/Directory.Build.props", "global.json", ".editorconfig",
        "Directory.Build.props", "Directory.Packages.props",
    ];

    private readonly TempFolder _folder = new();

    public SourceCopy()
    {
        Directory.CreateDirectory(_folder["tests"]);
        foreach (string source in Sources)
            Oracle.Run("cp", "-r", Path.Combine(Repository.Root, source), _folder[source]).AssertSuccess();
    }

    internal ProgramResult BreakAndSimulate(Canary canary, int longest, int worlds)
    {
        string path = _folder[canary.File];
        string healthy = File.ReadAllText(path);
        Assert.Equal(2, healthy.Split(canary.Original).Length);
        File.WriteAllText(path, healthy.Replace(canary.Original, canary.Broken, StringComparison.Ordinal));
        try { return BuildAndSimulate(longest, worlds); }
        finally { File.WriteAllText(path, healthy); }
    }

    /// <summary>Tries small worlds of sequences up to a length, and then so many random ones.</summary>
    internal ProgramResult BuildAndSimulate(int longest, int worlds)
    {
        Oracle.Run(
            Limit, "dotnet", "build", _folder["tests/DmEra.Simulation"], "-c", "Release", "-p:RunAnalyzers=false",
            "-nodeReuse:false").AssertSuccess();
        string program = _folder["artifacts/bin/DmEra.Simulation/release/DmEra.Simulation"];
        ProgramResult result = Oracle.Run(Limit, program, "small", "--longest", longest.ToString());
        return result.ExitCode != 0 ? result : Oracle.Run(Limit, program, "run", "--seed", "1", "--worlds", worlds.ToString());
    }

    public void Dispose() => _folder.Dispose();
}
