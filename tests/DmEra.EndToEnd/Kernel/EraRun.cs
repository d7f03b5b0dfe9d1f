using DmEra.Devices;
using DmEra.Fuzz.Content;
using DmEra.Target.Mapping;

namespace DmEra.EndToEnd.Kernel;

/// <summary>
/// An era device that is active, ours or the kernel's, driven by the same few steps. Notes in a log what they do; the
/// log of an earlier run on the same metadata may go on.
/// </summary>
internal abstract class EraRun(WriteLog log)
{
    /// <summary>Size of an origin block.</summary>
    public const uint BlockSectors = 128;

    /// <summary>What has been done so far.</summary>
    public WriteLog Log { get; } = log;

    /// <summary>The device's own view.</summary>
    public abstract EraStatus Status { get; }

    /// <summary>Writes a little to each of these blocks.</summary>
    public void Write(params uint[] blocks)
    {
        WriteBlocks(blocks);
        foreach (uint block in blocks) Log.Add(block);
    }

    /// <summary>Begins an era.</summary>
    public void Checkpoint()
    {
        Send("checkpoint");
        Log.BeginEra(Log.BlockCount);
    }

    /// <summary>Begins an era, and keeps the state before it readable.</summary>
    public void TakeMetadataSnapshot()
    {
        Send("take_metadata_snap");
        Log.BeginEra(Log.BlockCount);
    }

    /// <summary>Lets go of the metadata snapshot.</summary>
    public void DropMetadataSnapshot() => Send("drop_metadata_snap");

    /// <summary>Suspends the device and resumes it with a new length, which begins an era.</summary>
    public virtual void Reload(uint blockCount)
    {
        LoadTable(blockCount);
        Log.BeginEra(blockCount);
    }

    /// <summary>Waits until no writeset is pending in the metadata file, which the kernel writes when it is asked for a status.</summary>
    public void AwaitDigestion(string metadata)
    {
        Eventually.Equal("0", Pending, "pending writesets");

        string Pending()
        {
            _ = Status;
            // Not as .NET opens files: that takes a lock, which we hold ourselves.
            using FolderHandle folder = FolderHandle.Open(Path.GetDirectoryName(metadata)!);
            using FileStream file = new(folder.OpenFile(Path.GetFileName(metadata)), FileAccess.Read, bufferSize: 0);
            return $"{ContentReader.PendingWritesets(file)}";
        }
    }

    /// <summary>Ends the device in good order.</summary>
    public abstract void Remove();

    protected static long Sectors(uint blockCount) => (long)blockCount * BlockSectors;

    protected abstract void WriteBlocks(uint[] blocks);

    protected abstract void Send(string message);

    protected abstract void LoadTable(uint blockCount);
}
