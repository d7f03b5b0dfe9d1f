namespace DmEra.Nbd;

/// <summary>Where a server tells what an operator may want to know. Called by any thread; what it throws is ignored.</summary>
public interface INbdLog
{
    /// <summary>Nothing wrong on this side: a client came, left, or broke the protocol.</summary>
    void Note(string message);

    /// <summary>A request failed for want of the device, or a connection for want of this program.</summary>
    void Fault(string message, Exception cause);
}

/// <summary>Keeps the faults of a log from ending the threads that report to it, and the process with them.</summary>
internal sealed class GuardedLog(INbdLog log) : INbdLog
{
    public void Note(string message) => Try(() => log.Note(message));

    public void Fault(string message, Exception cause) => Try(() => log.Fault(message, cause));

    private static void Try(Action report)
    {
        try { report(); }
        catch (Exception)
        {
            return;     // there is nobody to tell
        }
    }
}

internal sealed class SilentLog : INbdLog
{
    public void Note(string message)
    {
    }

    public void Fault(string message, Exception cause)
    {
    }
}
