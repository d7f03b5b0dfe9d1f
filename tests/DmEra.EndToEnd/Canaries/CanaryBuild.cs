using System.Globalization;
using DmEra.Tests;
using DmEra.Tests.Conventions;

namespace DmEra.EndToEnd.Canaries;

/// <summary>One build of the simulation from a copy of the sources with every canary woven in. None is on unless the
/// environment names it.</summary>
public sealed class CanaryBuild : IDisposable
{
    private const string Variable = "ERA_CANARY";

    // Every project can reach it there.
    private const string Switch = "src/DmEra.Devices/Canary.cs";

    private const string SwitchSource = $$"""
        namespace DmEra.Devices;

        /// <summary>The canary that is on.</summary>
        public static class Canary
        {
            private static readonly string? _name = Environment.GetEnvironmentVariable("{{Variable}}");

            /// <summary>Whether it is this one.</summary>
            public static bool Is(string name) => name == _name;
        }
        """;

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);
    private static readonly string[] Sources =
    [
        "src", "tests/DmEra.Simulation", "tests/Directory.Build.props", "global.json", ".editorconfig",
        "Directory.Build.props", "Directory.Packages.props",
    ];

    private readonly TempFolder _folder = new();
    private readonly HashSet<string> _homeless = [];

    public CanaryBuild()
    {
        Directory.CreateDirectory(_folder["tests"]);
        foreach (string source in Sources)
            Oracle.Run("cp", "-r", Path.Combine(Repository.Root, source), _folder[source]).AssertSuccess();
        File.WriteAllText(_folder[Switch], SwitchSource);
        foreach (Canary canary in Canary.All)
        {
            string source = File.ReadAllText(_folder[canary.File]);
            if (canary.TryWeave(ref source)) File.WriteAllText(_folder[canary.File], source);
            else _homeless.Add(canary.Name);
        }

        Oracle.Run(
            Limit, "dotnet", "build", _folder["tests/DmEra.Simulation"], "-c", "Release", "-p:RunAnalyzers=false",
            "-nodeReuse:false").AssertSuccess();
    }

    /// <summary>Goes hunting, with one canary on.</summary>
    internal ProgramResult Simulate(string canary, Hunt hunt, int longest = 3, int worlds = 1000)
    {
        if (_homeless.Contains(canary)) Assert.Fail($"the source has no one place to weave this in: '{canary}'");
        string[] arguments = hunt switch
        {
            Hunt.SmallWorld => ["small", "--longest", Text(longest)],
            Hunt.Backups => ["backups", "--seed", "1", "--worlds", Text(worlds)],
            _ => ["run", "--seed", "1", "--worlds", Text(worlds)],
        };
        string program = _folder["artifacts/bin/DmEra.Simulation/release/DmEra.Simulation"];
        return Oracle.Run(Limit, "env", [$"{Variable}={canary}", program, .. arguments]);
    }

    public void Dispose() => _folder.Dispose();

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
