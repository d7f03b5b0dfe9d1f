using DmEra.Nbd;

namespace DmEra.Serving.FrontEnds;

/// <summary>Faults of an NBD server as lines. Clients that come and go are nobody's concern.</summary>
/// <param name="log">Is told the lines.</param>
public sealed class NbdLog(Action<string> log) : INbdLog
{
    /// <inheritdoc/>
    public void Note(string message)
    {
    }

    /// <inheritdoc/>
    public void Fault(string message, Exception cause)
    {
        ArgumentNullException.ThrowIfNull(cause);
        log($"{message}: {cause.Message}");
    }
}
