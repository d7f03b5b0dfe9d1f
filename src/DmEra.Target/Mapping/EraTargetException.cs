namespace DmEra.Target.Mapping;

/// <summary>The target refuses, or cannot do, what was asked of it. The message is one line: the kernel's own error
/// text where there is one, then which file is concerned and what to do.</summary>
public sealed class EraTargetException(string message, int errno, Exception? inner = null)
    : Exception(message, inner)
{
    /// <summary>The error number that the kernel's target, or the failing device, gives; one of
    /// <see cref="Devices.Errno"/>.</summary>
    public int Errno { get; } = errno;
}
