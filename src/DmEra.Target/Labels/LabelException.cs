namespace DmEra.Target.Labels;

/// <summary>A label cannot be given or used: one line that names the file and says what to do.</summary>
public sealed class LabelException(string message) : IOException(message);
