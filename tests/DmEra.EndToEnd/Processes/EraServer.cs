using System.Diagnostics;
using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>A real <c>era serve</c> process, with a runtime folder of its own.</summary>
internal sealed class EraServer : IDisposable
{
    /// <summary>The program's path.</summary>
    public static readonly string Program = Path.Combine(AppContext.BaseDirectory, "era");

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly Task<string> _complaints;
    private readonly string _runtimeFolder;

    private EraServer(string runtimeFolder, string program, IEnumerable<string> arguments)
    {
        _runtimeFolder = runtimeFolder;
        _process = Process.Start(new ProcessStartInfo(Oracle.Find(program), arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["ERA_RUNTIME_DIR"] = runtimeFolder },
        })!;
        _complaints = _process.StandardError.ReadToEndAsync();
    }

    /// <summary>What it printed before it was ready.</summary>
    public List<string> Greeting { get; } = [];

    /// <summary>The URI of its Unix socket.</summary>
    public string Uri => UriStartingWith("nbd+unix:");

    /// <summary>The path of its Unix socket.</summary>
    public string Socket => Uri.Split("?socket=")[1];

    /// <summary>Its process.</summary>
    public int ProcessId => _process.Id;

    /// <summary>Starts <c>era serve</c> and waits until it is ready. Servers in one folder see each other.</summary>
    public static EraServer Start(TempFolder folder, params string[] arguments) =>
        Start(folder, Program, ["serve", .. arguments]);

    /// <summary>Starts a program that becomes <c>era serve</c>, such as a shell that prepares something first.</summary>
    public static EraServer StartThrough(TempFolder folder, string script, params string[] arguments) =>
        Start(folder, "unshare", ["-rm", "sh", "-ec", $"{script}\nexec \"$@\"", "sh", Program, "serve", .. arguments]);

    /// <summary>Runs another command of era's in the same folder.</summary>
    public static ProgramResult Run(TempFolder folder, params string[] arguments) =>
        Oracle.Run("env", [$"ERA_RUNTIME_DIR={folder["run"]}", Program, .. arguments]);

    /// <summary>Runs a command that must succeed, on this server's folder.</summary>
    /// <returns>What it printed, without the last line's end.</returns>
    public string Command(params string[] arguments) =>
        Oracle.Run("env", [$"ERA_RUNTIME_DIR={_runtimeFolder}", Program, .. arguments]).AssertSuccess().Output.TrimEnd('\n');

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
        AwaitExit();
        Assert.True(_process.ExitCode == 0, $"era serve: exit status {_process.ExitCode} after SIGTERM\n{_complaints.Result}");
    }

    /// <summary>Waits until it ends by itself.</summary>
    /// <returns>Its exit status.</returns>
    public int AwaitExit()
    {
        Assert.True(_process.WaitForExit(Limit), $"era serve is still there after {Limit.TotalSeconds} s");
        return _process.ExitCode;
    }

    /// <summary>Ends it as a crash would: <c>kill -9</c>.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_process.HasExited) Kill();
        _process.Dispose();
    }

    private static EraServer Start(TempFolder folder, string program, IEnumerable<string> arguments)
    {
        EraServer server = new(folder["run"], program, arguments);
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
            Task<string?> line = _process.StandardOutput.ReadLineAsync();
            if (!line.Wait(Limit - Stopwatch.GetElapsedTime(start))) Assert.Fail("era serve does not become ready");
            if (line.Result is null) Assert.Fail($"era serve ended before it was ready: {_complaints.Result}");
            if (line.Result is "ready") return;
            Greeting.Add(line.Result);
        }
    }
}
