namespace DmEra.Devices;

/// <summary>
/// A filter in front of another device. All that any device can do is handed on, so that a filter overrides what it is
/// about and loses nothing else; what the device behind it cannot do, it answers as such a device may.
/// </summary>
/// <param name="inner">The device behind it.</param>
public abstract class ForwardingDevice(IBlockDevice inner)
    : IBlockDevice, IImmediateAccess, IReadAhead, IWriteBehind, IExtendable, IReservable, IRefreshable, IUnflushedWrites
{
    // Asked for once, since two of them are on the way of every request.
    private readonly IImmediateAccess? _immediate = inner as IImmediateAccess;
    private readonly IReadAhead? _readAhead = inner as IReadAhead;

    /// <inheritdoc/>
    public virtual long Length => Inner.Length;

    /// <inheritdoc/>
    public virtual bool AreKept => inner is IUnflushedWrites { AreKept: true };

    /// <summary>The device behind it.</summary>
    protected IBlockDevice Inner => inner;

    /// <inheritdoc/>
    public virtual void Read(long offset, Span<byte> buffer) => Inner.Read(offset, buffer);

    /// <inheritdoc/>
    public virtual void Write(long offset, ReadOnlySpan<byte> data) => Inner.Write(offset, data);

    /// <inheritdoc/>
    public virtual void Flush() => Inner.Flush();

    /// <inheritdoc/>
    public virtual void Trim(long offset, long length) => Inner.Trim(offset, length);

    /// <inheritdoc/>
    public virtual void WriteZeroes(long offset, long length, ZeroingMode mode) => Inner.WriteZeroes(offset, length, mode);

    /// <inheritdoc/>
    public virtual bool TryReadNow(long offset, Span<byte> buffer) => _immediate is not null && _immediate.TryReadNow(offset, buffer);

    /// <inheritdoc/>
    public virtual bool TryWriteNow(long offset, ReadOnlySpan<byte> data) => _immediate is not null && _immediate.TryWriteNow(offset, data);

    /// <inheritdoc/>
    public virtual void Prefetch(long offset, long length) => _readAhead?.Prefetch(offset, length);

    /// <inheritdoc/>
    public virtual void BeginFlush(long offset, long length) => (Inner as IWriteBehind)?.BeginFlush(offset, length);

    /// <inheritdoc/>
    public virtual bool TryExtend(long length) => Inner is IExtendable extendable && extendable.TryExtend(length);

    /// <inheritdoc/>
    public virtual void Reserve(long offset, long length) => (Inner as IReservable)?.Reserve(offset, length);

    /// <inheritdoc/>
    public virtual void RefreshLength() => (Inner as IRefreshable)?.RefreshLength();

    /// <summary>Ends the filter, and the device behind it if that is the filter's own.</summary>
    public abstract void Dispose();
}
