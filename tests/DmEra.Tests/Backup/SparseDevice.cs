using DmEra.Devices;

namespace DmEra.Tests.Backup;

/// <summary>A large device in memory that takes space only for what is not zero.</summary>
internal sealed class SparseDevice(long length) : IBlockDevice
{
    private const int PageSize = 4096;

    private readonly Lock _lock = new();        // guards _pages
    private readonly Dictionary<long, byte[]> _pages = [];

    public long Length { get; set; } = length;

    public Action? WhenFlushed { get; set; }

    public SparseDevice Copy()
    {
        SparseDevice copy = new(Length);
        lock (_lock)
        {
            foreach ((long page, byte[] content) in _pages) copy._pages.Add(page, [.. content]);
        }

        return copy;
    }

    /// <summary>The first byte at which the two differ; -1 when they are the same.</summary>
    public long FirstDifference(SparseDevice other)
    {
        if (Length != other.Length) return Math.Min(Length, other.Length);
        byte[] zeroes = new byte[PageSize];
        foreach (long page in _pages.Keys.Union(other._pages.Keys).Order())
        {
            int same = _pages.GetValueOrDefault(page, zeroes).AsSpan().CommonPrefixLength(other._pages.GetValueOrDefault(page, zeroes));
            if (same < PageSize) return (page * PageSize) + same;
        }

        return -1;
    }

    public void Read(long offset, Span<byte> buffer) => Visit(offset, buffer.Length, (page, within, at, count, target) =>
    {
        if (_pages.TryGetValue(page, out byte[]? content)) content.AsSpan(within, count).CopyTo(target[at..]);
        else target.Slice(at, count).Clear();
    }, buffer);

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        byte[] copy = data.ToArray();
        Visit(offset, copy.Length, (page, within, at, count, source) =>
        {
            if (!_pages.TryGetValue(page, out byte[]? content)) _pages.Add(page, content = new byte[PageSize]);
            source.Slice(at, count).CopyTo(content.AsSpan(within));
        }, copy);
    }

    public void Flush() => WhenFlushed?.Invoke();

    public void Trim(long offset, long length) => WriteZeroes(offset, length, ZeroingMode.MayDeallocate);

    public void WriteZeroes(long offset, long length, ZeroingMode mode)
    {
        lock (_lock)
        {
            foreach (long page in _pages.Keys.Where(page => page >= offset / PageSize && page * PageSize < offset + length).ToArray())
            {
                int begin = (int)Math.Max(offset - (page * PageSize), 0);
                int end = (int)Math.Min(offset + length - (page * PageSize), PageSize);
                _pages[page].AsSpan(begin..end).Clear();
            }
        }
    }

    public void Dispose()
    {
    }

    private delegate void PageVisitor(long page, int within, int at, int count, Span<byte> bytes);

    private void Visit(long offset, int length, PageVisitor visit, Span<byte> bytes)
    {
        if (offset < 0 || offset + length > Length) throw new DeviceException("sparse device: past the end", Errno.EIO);
        lock (_lock)
        {
            for (int at = 0; at < length;)
            {
                long page = (offset + at) / PageSize;
                int within = (int)((offset + at) % PageSize);
                int count = Math.Min(PageSize - within, length - at);
                visit(page, within, at, count, bytes);
                at += count;
            }
        }
    }
}
