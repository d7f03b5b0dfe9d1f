using DmEra.Devices;
using DmEra.Target.Chronicles;
using DmEra.Target.History;
using DmEra.Target.Tracking;

namespace DmEra.Tests.Backup.Sources;

/// <summary>A <see cref="ModelSource"/> that goes on being written to while it is read, unless it is suspended.</summary>
internal sealed class ModelLiveDevice(ModelSource model, string originPath = "/nowhere/origin") : ILiveDevice, IBlockDevice
{
    private bool _isSuspended;

    public DeviceIdentity Device => model.Device;

    public uint CurrentEra => model.CurrentEra;

    public string? MetadataPath => null;

    public string OriginPath => originPath;

    public string MessageCommand => throw new NotSupportedException();

    public uint Gap => model.Gap;

    public IBlockDevice Origin => this;

    public long Length => model.Disk.Length;

    /// <summary>What its users do around each read; not called while it is suspended.</summary>
    public Action? Users { get; set; }

    /// <summary>What happens when it is flushed.</summary>
    public Action? WhenFlushed { get; set; }

    /// <summary>Its content when it was last suspended.</summary>
    public SparseDevice? Then { get; private set; }

    public int Suspensions { get; private set; }

    public bool IsSuspended => _isSuspended;

    public EraBeginning Checkpoint() => new(++model.CurrentEra, Mark: null);

    public EraMark? Pause()
    {
        Assert.False(_isSuspended);
        Suspensions++;
        _isSuspended = true;
        Then = model.Disk.Copy();
        return model.Next;
    }

    public void Unpause()
    {
        Assert.True(_isSuspended);
        _isSuspended = false;
        model.CurrentEra++;
    }

    public DeviceDescription Describe() => throw new NotSupportedException();

    public void RequireActive() => throw new NotSupportedException();

    public uint FindEra(string name) => throw new NotSupportedException();

    public void WriteChanges(string since, ChangeListFormat format, Stream output) => throw new NotSupportedException();

    public Guid? MarkOf(uint era) => model.MarkOf(era);

    public IEnumerable<BlockRange> WrittenSince(uint era) => model.WrittenSince(era);

    public void Read(long offset, Span<byte> buffer)
    {
        if (!_isSuspended) Users?.Invoke();
        model.Disk.Read(offset, buffer);
        if (!_isSuspended) Users?.Invoke();
    }

    public void Write(long offset, ReadOnlySpan<byte> data) => throw new NotSupportedException();

    public void Flush() => WhenFlushed?.Invoke();

    public void Trim(long offset, long length) => throw new NotSupportedException();

    public void WriteZeroes(long offset, long length, ZeroingMode mode) => throw new NotSupportedException();

    public void Dispose()
    {
    }
}
