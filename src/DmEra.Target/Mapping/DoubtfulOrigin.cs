using DmEra.Devices;
using DmEra.Target.History;

namespace DmEra.Target.Mapping;

/// <summary>
/// The origin, with a memory of the changes that failed. They may happen all the same, and late: a server of the origin that was given
/// up may still carry out what it had been sent, when another era has begun. So their blocks count as written in every later era,
/// too, until the device is opened anew.
/// </summary>
/// <param name="origin">The origin; it stays the owner's.</param>
/// <param name="blockSizeBytes">Size of an origin block.</param>
internal sealed class DoubtfulOrigin(IBlockDevice origin, long blockSizeBytes) : ForwardingDevice(origin)
{
    private const int MostRanges = 1000;

    private readonly Lock _lock = new();    // guards the field below
    private readonly List<BlockRange> _doubtful = [];

    /// <summary>The blocks in doubt on a device of so many.</summary>
    public IReadOnlyList<BlockRange> Doubtful(uint blocks)
    {
        lock (_lock)
        {
            return
            [
                .. _doubtful.Where(range => range.Begin < blocks).Select(range => new BlockRange(range.Begin, Math.Min(range.End, blocks))),
            ];
        }
    }

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> data)
    {
        try { Inner.Write(offset, data); }
        catch
        {
            Doubt(offset, data.Length);
            throw;
        }
    }

    /// <inheritdoc/>
    public override void Trim(long offset, long length)
    {
        try { Inner.Trim(offset, length); }
        catch
        {
            Doubt(offset, length);
            throw;
        }
    }

    /// <inheritdoc/>
    public override void WriteZeroes(long offset, long length, ZeroingMode mode)
    {
        try { Inner.WriteZeroes(offset, length, mode); }
        catch (DeviceException refusal) when (refusal.Errno == Errno.ENOTSUP)
        {
            throw;      // nothing has changed, nor will it
        }
        catch
        {
            Doubt(offset, length);
            throw;
        }
    }

    /// <inheritdoc/>
    public override bool TryWriteNow(long offset, ReadOnlySpan<byte> data)
    {
        try { return base.TryWriteNow(offset, data); }
        catch
        {
            Doubt(offset, data.Length);
            throw;
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
    }

    private void Doubt(long offset, long length)
    {
        // What the kernel has refused for a file or disk of this machine does not happen later.
        if (length == 0 || Inner is FileBlockDevice) return;
        BlockRange blocks = new((uint)(offset / blockSizeBytes), (uint)((offset + length - 1) / blockSizeBytes) + 1);
        lock (_lock)
        {
            if (_doubtful.Exists(known => known.Begin <= blocks.Begin && blocks.End <= known.End)) return;
            _doubtful.Add(blocks);
            if (_doubtful.Count <= MostRanges) return;

            // A disk that fails everywhere: blocks too many are better than ranges without end.
            BlockRange all = new(_doubtful.Min(range => range.Begin), _doubtful.Max(range => range.End));
            _doubtful.Clear();
            _doubtful.Add(all);
        }
    }
}
