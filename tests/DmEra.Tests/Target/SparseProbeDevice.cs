using DmEra.Devices;

namespace DmEra.Tests.Target;

/// <summary>A probe that is a sparse file, on a file system with little space: what is written must have been asked for.</summary>
/// <param name="length">Bytes of the file.</param>
/// <param name="space">Bytes of space.</param>
internal sealed class SparseProbeDevice(int length, long space) : ProbeDevice(length), IReservable
{
    private long _backed;

    public void Reserve(long offset, long length)
    {
        if (offset > _backed) throw new InvalidOperationException("space is asked for in order");
        if (offset + length > space) throw new DeviceException("sparse probe device", Errno.ENOSPC);
        _backed = Math.Max(_backed, offset + length);
    }

    /// <summary>Has every write look whether it has its space.</summary>
    public SparseProbeDevice Watched()
    {
        Before = operation =>
        {
            if (operation.Call == DeviceCall.Write && operation.Offset + operation.Length > _backed)
                throw new DeviceException($"sparse probe device: no space at {operation.Offset}", Errno.EIO);
        };
        return this;
    }
}
