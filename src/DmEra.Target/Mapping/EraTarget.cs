using DmEra.Devices;

namespace DmEra.Target.Mapping;

/// <summary>What an era device is doing.</summary>
public enum TargetState
{
    /// <summary>Requests wait; the metadata is at rest. So every device begins.</summary>
    Suspended,

    /// <summary>Requests are served.</summary>
    Active,

    /// <summary>The metadata failed: reads and writes to blocks marked in this era go on, all other writes fail.
    /// Suspending and resuming opens the metadata anew.</summary>
    Failed,
}

/// <summary>
/// An era device: an origin whose writes are recorded, block by block, under the number of the current era
/// (kernel: <c>dm-era-target.c</c>). Every method may be called from any thread.
/// </summary>
public sealed class EraTarget : IDisposable
{
    /// <summary>The device that clients use: reads and writes of the origin, tracked.</summary>
    public IBlockDevice Device => throw new NotSupportedException();

    /// <summary>The table in force.</summary>
    public EraTable Table => throw new NotSupportedException();

    /// <summary>The status as of the last commit: answered from memory, at any time.</summary>
    public EraStatus Status => throw new NotSupportedException();

    /// <summary>What the device is doing.</summary>
    public TargetState State => throw new NotSupportedException();

    /// <summary>The fault that the metadata failed with, in one line; null when it has not.</summary>
    public string? FailureReason => throw new NotSupportedException();

    /// <summary>Opens and locks the devices of a table, and formats metadata that is all zeroes. The device is
    /// suspended at first.</summary>
    /// <exception cref="EraTargetException">Anything is wrong with the table or the devices, which are left as they
    /// were.</exception>
    public static EraTarget Create(EraTable table, EraTargetOptions options) => throw new NotSupportedException();

    /// <summary>As <see cref="Create(EraTable, EraTargetOptions)"/>, on devices that are open already; they are
    /// disposed of with the target, but not when this fails.</summary>
    /// <exception cref="EraTargetException">Anything is wrong with the table or the devices.</exception>
    public static EraTarget Create(
        EraTable table, IBlockDevice metadata, IBlockDevice origin, EraTargetOptions options) =>
        throw new NotSupportedException();

    /// <summary>Opens the metadata from what is on disk, starts a new era and lets requests in. Nothing happens when
    /// the device is active.</summary>
    /// <exception cref="EraTargetException">The device stays suspended.</exception>
    public void Resume() => throw new NotSupportedException();

    /// <summary>Lets no more requests in, waits for those inside, archives the era and commits. Requests wait until
    /// the device is resumed. A fault of the metadata does not keep it from being suspended, and loses no mark: see
    /// <see cref="FailureReason"/>.</summary>
    public void Suspend() => throw new NotSupportedException();

    /// <summary>Changes the length of the device; an active one is suspended and resumed for it.</summary>
    /// <exception cref="EraTargetException">The origin is shorter, or there is no room in the metadata: the length
    /// is as before.</exception>
    public void Resize(long lengthSectors) => throw new NotSupportedException();

    /// <summary>Starts a new era, and returns its number when every write recorded in an older one has
    /// completed.</summary>
    /// <exception cref="EraTargetException">The device is suspended or failed, or there is no room.</exception>
    public uint Checkpoint() => throw new NotSupportedException();

    /// <summary>Starts a new era and keeps the metadata of all earlier ones readable, until dropped.</summary>
    /// <exception cref="EraTargetException">A snapshot is held already; or as for <see cref="Checkpoint"/>.</exception>
    public void TakeMetadataSnapshot() => throw new NotSupportedException();

    /// <summary>Lets go of the metadata snapshot.</summary>
    /// <exception cref="EraTargetException">None is held; or the device is suspended or failed.</exception>
    public void DropMetadataSnapshot() => throw new NotSupportedException();

    /// <summary>A message in the kernel's words, upper or lower case: <c>checkpoint</c>,
    /// <c>take_metadata_snap</c>, <c>drop_metadata_snap</c>.</summary>
    /// <exception cref="EraTargetException">No such message, or it failed.</exception>
    public void Message(params string[] words) => throw new NotSupportedException();

    /// <summary>Suspends the device if it is active; waiting requests fail with ESHUTDOWN; closes its devices.</summary>
    public void Dispose()
    {
    }
}
