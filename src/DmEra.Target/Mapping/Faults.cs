using DmEra.Devices;
using DmEra.PersistentData.Blocks;

namespace DmEra.Target.Mapping;

/// <summary>Where faults of metadata and devices become error numbers, those that the kernel's target gives, and
/// lines that say what to do.</summary>
internal static class Faults
{
    public static int Errno(Exception fault) => fault switch
    {
        EraTargetException refusal => refusal.Errno,
        DeviceException device => device.Errno,
        MetadataFullException => Devices.Errno.ENOSPC,
        MetadataCorruptException { Kind: MetadataCorruption.WrongAddress } => Devices.Errno.ENOTBLK,
        MetadataCorruptException { Kind: MetadataCorruption.Damaged } => Devices.Errno.EILSEQ,
        MetadataCorruptException => Devices.Errno.EINVAL,
        OutOfMemoryException => Devices.Errno.ENOMEM,
        _ => Devices.Errno.EIO,
    };

    /// <summary>The fault as the caller of a target sees it.</summary>
    /// <param name="kernelText">What the kernel says of it; empty where that is nothing.</param>
    /// <param name="path">The file concerned; faults of devices name it themselves.</param>
    /// <param name="fault">What happened.</param>
    public static EraTargetException Explain(string kernelText, string path, Exception fault)
    {
        if (fault is EraTargetException explained) return explained;
        string prefix = kernelText.Length == 0 ? "" : $"{kernelText}: ";
        string cause = fault is DeviceException ? fault.Message : $"{path}: {fault.Message}";
        return new EraTargetException($"{prefix}{cause}{Remedy(fault)}", Errno(fault), fault);
    }

    private static string Remedy(Exception fault) => fault switch
    {
        DeviceException { Errno: Devices.Errno.ENOENT } => "; check the path, or create it",
        DeviceException { Errno: Devices.Errno.EACCES } => "; check its permissions",
        DeviceException { Errno: Devices.Errno.EROFS } => "; an origin can be served with --read-only, metadata must be written to",
        DeviceException { Errno: Devices.Errno.EBUSY } => "; stop the program that uses it",
        MetadataFullException => "; drop the metadata snapshot, or give the metadata a larger device or its file system more space",
        MetadataFailedException => "; suspend and resume the device to open its metadata anew",
        MetadataCorruptException { Kind: MetadataCorruption.Unsupported } => "",
        MetadataCorruptException => "; if this is the right file, era check tells more and era repair may mend it",
        _ => "",
    };
}
