namespace DmEra.Serving;

/// <summary>A device cannot be served. The message is one line that names the thing and says what to do.</summary>
/// <param name="message">No capital, no full stop.</param>
/// <param name="inner">What was reported.</param>
public class ServingException(string message, Exception? inner = null) : IOException(message, inner);

/// <summary>What was asked for makes no sense, whatever there is on the disks.</summary>
/// <param name="message">No capital, no full stop.</param>
public sealed class SettingsException(string message) : ServingException(message);
