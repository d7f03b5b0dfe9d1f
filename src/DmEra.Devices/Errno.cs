using System.Runtime.InteropServices;

namespace DmEra.Devices;

/// <summary>The Linux error numbers that decide something in this program (asm-generic/errno-base.h, errno.h).</summary>
public static class Errno
{
#pragma warning disable CS1591 // The names are those of errno(3).
    public const int EPERM = 1;
    public const int ENOENT = 2;
    public const int EINTR = 4;
    public const int EIO = 5;
    public const int ENXIO = 6;
    public const int EBADF = 9;
    public const int EAGAIN = 11;
    public const int ENOMEM = 12;
    public const int EACCES = 13;
    public const int ENOTBLK = 15;
    public const int EBUSY = 16;
    public const int EEXIST = 17;
    public const int ENODEV = 19;
    public const int ENOTDIR = 20;
    public const int EISDIR = 21;
    public const int EINVAL = 22;
    public const int EFBIG = 27;
    public const int ENOSPC = 28;
    public const int EROFS = 30;
    public const int EMLINK = 31;
    public const int EPIPE = 32;
    public const int ENAMETOOLONG = 36;
    public const int ENOSYS = 38;
    public const int ELOOP = 40;
    public const int ENODATA = 61;
    public const int EOVERFLOW = 75;
    public const int EILSEQ = 84;
    public const int ENOTSUP = 95;
    public const int ESHUTDOWN = 108;
    public const int EDQUOT = 122;
#pragma warning restore CS1591

    /// <summary>The C library's text of an error number, as in "No space left on device".</summary>
    public static string Describe(int errno) => Marshal.GetPInvokeErrorMessage(errno);
}
