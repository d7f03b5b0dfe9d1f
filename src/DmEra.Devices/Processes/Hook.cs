using System.Diagnostics;

namespace DmEra.Devices.Processes;

/// <summary>Lines for the shell, each of which must succeed.</summary>
/// <param name="variables">Told to them through their environment.</param>
public sealed class Hook(IReadOnlyDictionary<string, string> variables)
{
    // What is printed is for people. Ctrl-C reaches every process of the terminal, and must not keep this one from its work.
    private const string WhenTold = "trap '' HUP INT TERM; exec >&2; read -r told; eval \"$1\"";

    /// <summary>Runs a line.</summary>
    /// <returns>The last line that it printed on stdout; null when there is none.</returns>
    /// <exception cref="IOException">It failed.</exception>
    /// <exception cref="OperationCanceledException">It was told to end, and has ended.</exception>
    public string? Run(string command, CancellationToken stop = default)
    {
        ProcessStartInfo start = StartInfo("-c", command);
        start.RedirectStandardOutput = true;
        using Process process = Process.Start(start)!;
        using CancellationTokenRegistration end = stop.Register(() => Terminate(process));
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        stop.ThrowIfCancellationRequested();
        RequireSuccess(process, command);
        return output.TrimEnd('\n').Split('\n') is [.., { Length: > 0 } last] ? last : null;
    }

    /// <summary>Prepares a line that undoes something: it runs when told to, and as well when this process ends before
    /// that, however it ends.</summary>
    /// <returns>Tells it, and returns when it has run; throws when it failed.</returns>
    public Action PrepareUndoing(string command)
    {
        ProcessStartInfo start = StartInfo("-c", WhenTold, "sh", command);
        start.RedirectStandardInput = true;
        Process process = Process.Start(start)!;
        return () =>
        {
            using (process)
            {
                process.StandardInput.Close();
                process.WaitForExit();
                RequireSuccess(process, command);
            }
        };
    }

    private ProcessStartInfo StartInfo(params string[] arguments)
    {
        ProcessStartInfo start = new("/bin/sh", arguments) { UseShellExecute = false };
        foreach ((string name, string value) in variables) start.Environment[name] = value;
        return start;
    }

    // In good order: it may be in the midst of something that is not to be left half done.
    private void Terminate(Process process)
    {
        using Process kill = Process.Start(StartInfo("-c", $"kill -TERM {process.Id} $(cat /proc/{process.Id}/task/*/children 2>/dev/null)"))!;
        kill.WaitForExit();
    }

    private static void RequireSuccess(Process process, string command)
    {
        if (process.ExitCode != 0) throw new IOException($"'{command}' ended with exit status {process.ExitCode}");
    }
}
