using System.Diagnostics;
using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>A real <c>era serve</c> process, with a runtime folder of its own.</summary>
internal sealed class EraServer : IDisposable
{
    /// <summary>The program's path.</summary>
    public static readonly string Program = Path.Combine(AppContext.BaseDirectory, "era");

    private const string RuntimeFolder = "ERA_RUNTIME_DIR";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly TempFolder _folder;
    private readonly RunningProgram _program;

    private EraServer(TempFolder folder, string program, IEnumerable<string> arguments)
    {
        _folder = folder;
        _program = new RunningProgram(program, arguments, (RuntimeFolder, folder["run"]));
    }

    /// <summary>What it printed before it was ready.</summary>
    public List<string> Greeting { get; } = [];

    /// <summary>The URI of its Unix socket.</summary>
    public string Uri => UriStartingWith("nbd+unix:");

    /// <summary>The path of its Unix socket.</summary>
    public string Socket => Uri.Split("?socket=")[1];

    /// <summary>What it had to say, once it has ended.</summary>
    public string Errors => _program.Errors;

    /// <summary>Its process.</summary>
    public int ProcessId => _program.Id;

    /// <summary>Starts <c>era serve</c> and waits until it is ready. Servers in one folder see each other.</summary>
    public static EraServer Start(TempFolder folder, params string[] arguments) =>
        Start(folder, Program, ["serve", .. arguments]);

    /// <summary>Starts a program that becomes <c>era serve</c>, such as a shell that prepares something first.</summary>
    public static EraServer StartThrough(TempFolder folder, string script, params string[] arguments) =>
        Start(folder, "unshare", ["-rm", "sh", "-ec", $"{script}\nexec \"$@\"", "sh", Program, "serve", .. arguments]);

    /// <summary>Runs another command of era's in the same folder.</summary>
    public static ProgramResult Run(TempFolder folder, params string[] arguments) =>
        Oracle.Run("env", [$"{RuntimeFolder}={folder["run"]}", Program, .. arguments]);

    /// <summary>Runs a command that must succeed, on this server's folder.</summary>
    /// <returns>What it printed, without the last line's end.</returns>
    public string Command(params string[] arguments) =>
        Run(_folder, arguments).AssertSuccess().Output.TrimEnd('\n');

    /// <summary>The blocks that <c>era changed</c> names, as ranges with exclusive ends.</summary>
    public IReadOnlyList<(uint Begin, uint End)> Changed(string device, uint since) =>
        Oracle.BlockRanges(Command("changed", device, "--since", $"{since}"));

    /// <summary>The first of the printed URIs that starts so.</summary>
    public string UriStartingWith(string start) => Greeting
        .SelectMany(line => line.Split(' ')).First(word => word.StartsWith(start, StringComparison.Ordinal));

    /// <summary>Asks it to end, as systemd would, and waits. Fails the test when its exit status is not 0.</summary>
    public void Terminate()
    {
        Oracle.Run("sh", "-c", $"kill -TERM {ProcessId}").AssertSuccess();
        Assert.True(AwaitExit() == 0, $"era serve failed at SIGTERM: {_program.Errors}");
    }

    /// <summary>Waits until it ends by itself.</summary>
    /// <returns>Its exit status.</returns>
    public int AwaitExit() => _program.AwaitExit(Limit);

    /// <summary>Ends it as a crash would: <c>kill -9</c>.</summary>
    public void Kill() => _program.Kill();

    /// <inheritdoc/>
    public void Dispose() => _program.Dispose();

    private static EraServer Start(TempFolder folder, string program, IEnumerable<string> arguments)
    {
        EraServer server = new(folder, program, arguments);
        try
        {
            server.AwaitReady();
            return server;
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    private void AwaitReady()
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            string? line = _program.ReadLine(Limit - Stopwatch.GetElapsedTime(start));
            if (line is null) Assert.Fail($"era serve ended before it was ready: {_program.Errors}");
            if (line is "ready") return;
            Greeting.Add(line);
        }
    }
}
