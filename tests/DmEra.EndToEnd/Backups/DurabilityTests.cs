using System.Text.RegularExpressions;
using DmEra.EndToEnd.Processes;
using DmEra.Tests;

namespace DmEra.EndToEnd.Backups;

/// <summary>What a power failure may leave of a repository in a folder. The program's system calls are followed: a name that was
/// given or taken away, or content that was written, may be lost until its folder or file has been flushed.</summary>
public sealed partial class DurabilityTests : IDisposable
{
    private const int DiskLength = 24 << 20;

    private readonly TempFolder _folder = new();

    private string Repository => _folder["repository"];

    [Fact]
    public void An_image_is_to_be_seen_once_all_it_leads_to_is_durable_and_goes_for_good_before_that()
    {
        byte[] content = new byte[DiskLength];
        new Random(1).NextBytes(content);
        File.WriteAllBytes(_folder["disk"], content);
        using (EraServer server = EraServer.Start(_folder, _folder["disk"])) server.Terminate();

        int packs = Follow("backup", _folder["disk"], "--to", Repository, "--full");
        Follow("backup", _folder["disk"], "--to", Repository, "--full");
        int removed = Follow("prune", Repository, "--keep", "1");

        Assert.InRange(packs, 4, 10);
        Assert.Equal(packs, removed);
        Assert.StartsWith("all is well: images 1", EraServer.Run(_folder, "verify", Repository).AssertSuccess().Output);
    }

    public void Dispose() => _folder.Dispose();

    [GeneratedRegex("""^(?<thread>\d+) +(?<call>\w+)\((?<arguments>.*?)( <unfinished \.\.\.>|\) += (?<result>-?\d+).*)$""")]
    private static partial Regex Begun();

    [GeneratedRegex("""^(?<thread>\d+) +<\.\.\. \w+ resumed>.*\) += (?<result>-?\d+)""")]
    private static partial Regex Resumed();

    // A folder that is open and a name in it, or a descriptor alone.
    [GeneratedRegex("""<(?<folder>/[^>]+)>(, "(?<name>[^"/]+)")?""")]
    private static partial Regex Paths();

    /// <summary>Runs a command and checks every call in the order of the log.</summary>
    /// <returns>How many packs got their name or lost it.</returns>
    private int Follow(params string[] arguments)
    {
        string log = _folder["log"];
        Oracle.Run("strace", ["-f", "-y", "-o", log, "-e", "trace=mkdirat,linkat,renameat,renameat2,unlinkat,fsync,fdatasync", EraServer.Program, .. arguments])
            .AssertSuccess();
        Dictionary<string, (string Call, string[] Paths)> underWay = [];
        Model model = new(Repository);
        foreach (string line in File.ReadLines(log))
        {
            if (Begun().Match(line) is { Success: true } begun)
            {
                (string Call, string[] Paths) call =
                    (begun.Groups["call"].Value, [.. Paths().Matches(begun.Groups["arguments"].Value)
                        .Select(path => Path.Join(path.Groups["folder"].Value, path.Groups["name"].Value))]);
                model.Begin(call.Call, call.Paths);
                if (!begun.Groups["result"].Success) underWay[begun.Groups["thread"].Value] = call;
                else if (begun.Groups["result"].Value is "0") model.End(call.Call, call.Paths);
            }
            else if (Resumed().Match(line) is { Success: true } resumed
                && underWay.Remove(resumed.Groups["thread"].Value, out (string Call, string[] Paths) call)
                && resumed.Groups["result"].Value is "0")
            {
                model.End(call.Call, call.Paths);
            }
        }

        return model.Packs;
    }

    /// <summary>What is not durable yet.</summary>
    private sealed class Model(string repository)
    {
        private readonly HashSet<string> _flushed = [];     // files whose content is on disk
        private readonly HashSet<string> _names = [];       // given or taken away, and perhaps still as before

        public int Packs { get; private set; }

        public void Begin(string call, string[] paths)
        {
            if (IsNaming(call) && paths is [string from, string to] && IsOurs(to))
            {
                Assert.True(_flushed.Contains(from), $"{to} gets its name before its content is durable");
                if (IsImage(to)) Assert.DoesNotContain(_names, name => IsPack(name) || Directory.Exists(name));
            }

            if (call is "unlinkat" && IsPack(paths[0])) Assert.DoesNotContain(_names, IsImage);
        }

        public void End(string call, string[] paths)
        {
            if (call is "fsync" or "fdatasync")
            {
                _flushed.Add(paths[0]);
                _names.RemoveWhere(name => Path.GetDirectoryName(name) == paths[0]);
            }
            else if (IsOurs(paths[^1]))
            {
                _names.Add(paths[^1]);
                if (call is not "mkdirat" && IsPack(paths[^1])) Packs++;
            }
        }

        private static bool IsNaming(string call) => call is "linkat" or "renameat" or "renameat2";

        private bool IsOurs(string path) => path.StartsWith(repository, StringComparison.Ordinal);

        private bool IsPack(string path) => path.StartsWith($"{repository}/packs/", StringComparison.Ordinal);

        private bool IsImage(string path) => path.StartsWith($"{repository}/images/", StringComparison.Ordinal);
    }
}
