namespace DmEra.Nbd;

/// <summary>Where a server tells what an operator may want to know. Called by any thread; must not throw.</summary>
public interface INbdLog
{
    /// <summary>Nothing wrong on this side: a client came, left, or broke the protocol.</summary>
    void Note(string message);

    /// <summary>A request failed for want of the device, or a connection for want of this program.</summary>
    void Fault(string message, Exception cause);
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
