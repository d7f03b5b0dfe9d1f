namespace DmEra.Control;

/// <summary>A device cannot be served under a name or path, or cannot be reached there. The message is one line that
/// says what to do.</summary>
public sealed class ControlException(string message, Exception? inner = null) : Exception(message, inner);
