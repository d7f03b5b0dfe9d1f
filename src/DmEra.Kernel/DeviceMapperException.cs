namespace DmEra.Kernel;

/// <summary>The kernel's device mapper does not do what it was asked for. The message is one line that says what to do.</summary>
/// <param name="message">No capital, no full stop.</param>
public sealed class DeviceMapperException(string message) : IOException(message);
