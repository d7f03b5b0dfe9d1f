namespace DmEra.PersistentData.Blocks;

/// <summary>A block held for reading: it stays in the cache until the lease is disposed, and so does
/// <see cref="Data"/> stay valid. Take it in a <c>using</c>.</summary>
public readonly ref struct ReadBlock
{
    private readonly BlockCache _cache;
    private readonly int _frame;

    internal ReadBlock(BlockCache cache, int frame)
    {
        cache.Pin(frame);
        _cache = cache;
        _frame = frame;
        Address = cache.AddressIn(frame);
        Data = cache.Data(frame);
    }

    /// <summary>Address of the metadata block.</summary>
    public ulong Address { get; }

    /// <summary>All 4096 bytes.</summary>
    public ReadOnlySpan<byte> Data { get; }

    /// <summary>Ends the lease.</summary>
    public void Dispose() => _cache.Unpin(_frame);
}

/// <summary>A block held for change: it stays in the cache and is not written back until the lease is disposed.
/// Its own address and checksum are filled in when it is. Take it in a <c>using</c>.</summary>
public readonly ref struct WriteBlock
{
    private readonly BlockCache _cache;
    private readonly int _frame;

    internal WriteBlock(BlockCache cache, int frame)
    {
        cache.Pin(frame);
        _cache = cache;
        _frame = frame;
        Address = cache.AddressIn(frame);
        Data = cache.Data(frame);
    }

    /// <summary>Address of the metadata block.</summary>
    public ulong Address { get; }

    /// <summary>All 4096 bytes.</summary>
    public Span<byte> Data { get; }

    /// <summary>Ends the lease.</summary>
    public void Dispose() => _cache.Unpin(_frame);
}
