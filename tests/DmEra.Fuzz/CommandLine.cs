using System.Text;
using DmEra.Cli;

namespace DmEra.Fuzz;

/// <summary>The tools as a user starts them: whatever the input, they end with one of their exit codes, and say why on
/// lines that are not about a fault of their own.</summary>
internal static class CommandLine
{
    public static void TryMetadata(byte[] image, uint era)
    {
        using WorkFolder folder = new();
        string input = folder.Write("meta", image), output = folder.Write("new", new byte[1 << 20]);
        Run("check", input);
        Run("check", "--json", "--ignore-non-fatal-errors", input);
        Run("dump", "--format", "marked", input);
        Run("dump", "--repair", "--logical", "-o", "/dev/null", input);
        Run("invalidate", "--written-since", $"{era}", "--format", "json", input);
        Run("invalidate", "--written-since", $"{era}", "--metadata-snapshot", input);
        Run("repair", "-q", "-i", input, "-o", output);
    }

    public static void TryXml(byte[] xml)
    {
        using WorkFolder folder = new();
        Run("restore", "-i", folder.Write("xml", xml), "-o", folder.Write("new", new byte[1 << 20]));
    }

    private static void Run(params string[] arguments)
    {
        using StringWriter error = new();
        using StreamWriter output = new(Stream.Null, Encoding.UTF8);
        int exitCode = Cli.Program.Run(arguments, output, error);
        if (exitCode is not (ExitCode.Done or ExitCode.Failed) || error.ToString().Contains("internal error", StringComparison.Ordinal))
            throw new FuzzException($"era {string.Join(' ', arguments)}: exit code {exitCode}: {error}");
    }

    private sealed class WorkFolder : IDisposable
    {
        private readonly string _path = Directory.CreateTempSubdirectory("era-fuzz-").FullName;

        public string Write(string name, byte[] content)
        {
            string path = Path.Combine(_path, name);
            File.WriteAllBytes(path, content);
            return path;
        }

        public void Dispose() => Directory.Delete(_path, recursive: true);
    }
}
