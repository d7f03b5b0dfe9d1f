namespace DmEra.Devices;

/// <summary>An I/O fault of a device, with the error number of the operating system.</summary>
public sealed class DeviceException : IOException
{
    /// <summary>Creates a fault with the text "<paramref name="what"/>: text of the error number".</summary>
    /// <param name="what">Names the device and what was tried, as in "/dev/sdb: cannot write at 4096".</param>
    /// <param name="errno">An <see cref="DmEra.Devices.Errno"/>.</param>
    public DeviceException(string what, int errno)
        : base($"{what}: {Devices.Errno.Describe(errno)}") => Errno = errno;

    /// <summary>The error number, one of <see cref="DmEra.Devices.Errno"/> or any other of Linux.</summary>
    public int Errno { get; }
}
