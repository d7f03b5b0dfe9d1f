using System.Diagnostics;
using DmEra.Tests;

namespace DmEra.EndToEnd;

/// <summary>A program that runs beside the test, which reads what it prints line by line. It does not outlive this
/// object.</summary>
internal sealed class RunningProgram : IDisposable
{
    private readonly Process _process;
    private readonly Task<string> _errors;

    /// <summary>Starts a program.</summary>
    public RunningProgram(string program, IEnumerable<string> arguments, params IEnumerable<(string Name, string Value)> environment)
    {
        ProcessStartInfo start = new(Oracle.Find(program), arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment) start.Environment[name] = value;
        _process = Process.Start(start)!;
        _errors = _process.StandardError.ReadToEndAsync();
    }

    /// <summary>The number of its process.</summary>
    public int Id => _process.Id;

    /// <summary>What it wrote to its standard error; waits until it has ended.</summary>
    public string Errors => _errors.Result;

    /// <summary>Sends a line to its standard input.</summary>
    public void WriteLine(string line)
    {
        _process.StandardInput.WriteLine(line);
        _process.StandardInput.Flush();
    }

    /// <summary>Waits for the next line that it prints.</summary>
    /// <returns>null when it has ended.</returns>
    /// <exception cref="TimeoutException">None came within the limit.</exception>
    public string? ReadLine(TimeSpan limit)
    {
        Task<string?> line = _process.StandardOutput.ReadLineAsync();
        return line.Wait(limit > TimeSpan.Zero ? limit : TimeSpan.Zero) ? line.Result : throw new TimeoutException();
    }

    /// <summary>Waits until it ends by itself.</summary>
    /// <returns>Its exit status.</returns>
    /// <exception cref="TimeoutException">It did not within the limit.</exception>
    public int AwaitExit(TimeSpan limit) => _process.WaitForExit(limit) ? _process.ExitCode : throw new TimeoutException();

    /// <summary>Ends it as a crash would: <c>kill -9</c>. Nothing happens when it has ended.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Kill();
        _process.Dispose();
    }
}
