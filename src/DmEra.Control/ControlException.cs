namespace DmEra.Control;

/// <summary>A control socket cannot be reached, or what is asked there is refused. The message is one line that says what to
/// do.</summary>
public sealed class ControlException(string message, Exception? inner = null) : IOException(message, inner);
