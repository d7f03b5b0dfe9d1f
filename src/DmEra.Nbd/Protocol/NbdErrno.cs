using DmEra.Devices;

namespace DmEra.Nbd.Protocol;

/// <summary>The only place where a device's fault becomes one of the few error numbers that NBD knows.</summary>
internal static class NbdErrno
{
    public static NbdError From(DeviceException fault) => fault.Errno switch
    {
        Errno.EPERM or Errno.EACCES or Errno.EROFS => NbdError.NotPermitted,
        Errno.ENOMEM => NbdError.NoMemory,
        Errno.EINVAL => NbdError.Invalid,
        Errno.ENOSPC or Errno.EDQUOT or Errno.EFBIG => NbdError.NoSpace,
        Errno.EOVERFLOW => NbdError.Overflow,
        Errno.ENOTSUP => NbdError.NotSupported,
        Errno.ESHUTDOWN => NbdError.Shutdown,
        _ => NbdError.Io,
    };
}
