using DmEra.Devices;
using DmEra.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.Blocks;

/// <summary>A device as a sparse file on a file system with little space: a block takes its place when it is written, or
/// before, if that is asked for. What is written without its place having been taken is remembered.</summary>
internal sealed class SparseDevice(RecordingDevice inner) : ForwardingDevice(inner)
{
    private readonly HashSet<ulong> _backed = [];

    /// <summary>Blocks that the file system still has space for.</summary>
    public ulong Space { get; set; } = ulong.MaxValue / 2;

    /// <summary>The error number of a file system without space.</summary>
    public int FailWith { get; set; } = Errno.ENOSPC;

    /// <summary>A refused request takes what there is, as on ext4; otherwise nothing.</summary>
    public bool TakesAllWhenRefused { get; set; }

    /// <summary>Blocks that have their space.</summary>
    public ulong Backed => (ulong)_backed.Count;

    /// <summary>Blocks that were written and had no space yet.</summary>
    public List<ulong> Surprises { get; } = [];

    /// <summary>Gives the space of all other blocks back, as a copy does that leaves out what nobody uses.</summary>
    public void KeepOnly(IEnumerable<ulong> used)
    {
        ulong before = Backed;
        _backed.IntersectWith(used);
        Space += before - Backed;
    }

    public override void Reserve(long offset, long length)
    {
        if (offset < 0 || offset + length > Length) throw new DeviceException("sparse device: past the end", Errno.EIO);
        ulong[] missing = [.. Blocks(offset, length).Where(block => !_backed.Contains(block))];
        bool isRefused = (ulong)missing.Length > Space;
        if (!isRefused || TakesAllWhenRefused) Take(missing.Take((int)Math.Min(Space, (ulong)missing.Length)));
        if (isRefused) throw new DeviceException("sparse device", FailWith);
    }

    public override void Write(long offset, ReadOnlySpan<byte> data)
    {
        ulong[] missing = [.. Blocks(offset, data.Length).Where(block => !_backed.Contains(block))];
        Surprises.AddRange(missing);
        if ((ulong)missing.Length > Space) throw new DeviceException("sparse device", FailWith);
        Take(missing);
        base.Write(offset, data);
    }

    public override bool TryWriteNow(long offset, ReadOnlySpan<byte> data) => false;

    public override void Trim(long offset, long length) => throw new NotSupportedException();

    public override void WriteZeroes(long offset, long length, ZeroingMode mode) => throw new NotSupportedException();

    public override void Dispose() => inner.Dispose();

    private void Take(IEnumerable<ulong> blocks)
    {
        foreach (ulong block in blocks)
        {
            _backed.Add(block);
            Space--;
        }
    }

    private static IEnumerable<ulong> Blocks(long offset, long length)
    {
        for (long at = offset; at < offset + length; at += BlockManager.BlockSize) yield return (ulong)at / BlockManager.BlockSize;
    }
}
