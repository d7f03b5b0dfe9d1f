using System.Globalization;
using System.Text.Json.Serialization;

namespace DmEra.Backup.Images;

/// <summary>Who holds a lock on a repository.</summary>
/// <param name="What">What it does, as in "era backup".</param>
/// <param name="Host">The machine, for people.</param>
/// <param name="Kernel">The kernel's boot and the namespace of process ids: where the next one means something.</param>
/// <param name="Process">Process id.</param>
/// <param name="Started">When the process started, in the kernel's ticks: ids are used again.</param>
/// <param name="Since">When the lock was taken.</param>
/// <param name="IsOver">The holder is done with it, but may not delete it.</param>
internal sealed record LockHolder(
    string What,
    string Host,
    string Kernel,
    int Process,
    string Started,
    DateTimeOffset Since,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool IsOver = false)
{
    /// <summary>This process.</summary>
    public static LockHolder Me(string what, TimeProvider time) => new(
        what,
        Environment.MachineName,
        ThisKernel(),
        Environment.ProcessId,
        StartOf(Environment.ProcessId) ?? "",
        time.GetUtcNow());

    /// <summary>True when it is certain that the process is no more, or has no more use for the lock.</summary>
    public bool IsGone()
    {
        if (IsOver) return true;
        if (Kernel.Length == 0 || !string.Equals(Kernel, ThisKernel(), StringComparison.Ordinal)) return false;
        // Those of other users may be hidden (hidepid of proc(5)), and be there nevertheless.
        return StartOf(Process) is string start ? !start.Equals(Started, StringComparison.Ordinal) : !IsThere(Process);
    }

    /// <inheritdoc/>
    public override string ToString() =>
        $"'{What}' (process {Process} on {Host}, since {Since.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture)})";

    private static bool IsThere(int process)
    {
        try
        {
            System.Diagnostics.Process.GetProcessById(process).Dispose();
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private static string ThisKernel()
    {
        try
        {
            string boot = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
            return $"{boot} {new FileInfo("/proc/self/ns/pid").LinkTarget}";
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return "";      // without /proc nobody is ever certain
        }
    }

    // Field 22 of proc_pid_stat(5), counted behind the name, which may hold blanks and brackets.
    private static string? StartOf(int process)
    {
        try
        {
            string status = File.ReadAllText($"/proc/{process}/stat");
            return status[(status.LastIndexOf(')') + 2)..].Split(' ')[19];
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
