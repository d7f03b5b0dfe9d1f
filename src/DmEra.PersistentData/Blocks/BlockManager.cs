using System.Diagnostics;
using System.Runtime.InteropServices;
using DmEra.Devices;

namespace DmEra.PersistentData.Blocks;

/// <summary>
/// A device as cached, checked metadata blocks of 4 KiB (kernel: <c>struct dm_block_manager</c>). A block is
/// checked when it is first read from the device and sealed when it is written back, and has one type for as long
/// as it is cached. Single-threaded: it belongs to the thread that owns the metadata.
/// </summary>
/// <remarks>
/// Changed blocks are written back by <see cref="Flush"/>, and earlier when they fill half of the cache. The early
/// ones are harmless, since blocks that committed metadata reaches are never changed in place; except the
/// superblock, which is therefore to be changed only between two flushes of a commit.
/// </remarks>
public sealed class BlockManager
{
    /// <summary>Bytes in a metadata block.</summary>
    public const int BlockSize = 4096;

    /// <summary>Blocks cached unless told otherwise: 16 MiB.</summary>
    public const int DefaultCacheBlocks = 4096;

    /// <summary>The smallest cache: a tree operation on a deep tree pins a few blocks at a time.</summary>
    public const int MinCacheBlocks = 32;

    // Blocks written at once where addresses are consecutive. Larger writes no longer gain anything.
    private const int MaxBlocksPerWrite = 64;

    private readonly BlockCache _cache;
    private readonly List<ulong> _dirty = [];
    private readonly byte[] _run = GC.AllocateUninitializedArray<byte>(MaxBlocksPerWrite * BlockSize, pinned: true);

    /// <summary>Puts a cache before <paramref name="device"/>, which stays the caller's.</summary>
    /// <param name="device">The metadata device.</param>
    /// <param name="cacheBlocks">Blocks that the cache can hold.</param>
    public BlockManager(IBlockDevice device, int cacheBlocks = DefaultCacheBlocks)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(cacheBlocks, MinCacheBlocks);
        Device = device;
        _cache = new BlockCache(cacheBlocks);
    }

    /// <summary>The metadata device.</summary>
    public IBlockDevice Device { get; }

    /// <summary>Whole blocks that the device has now.</summary>
    public ulong BlockCount => (ulong)Device.Length / BlockSize;

    /// <summary>Leases a block for reading.</summary>
    /// <exception cref="MetadataCorruptException">It is not a whole block of this type, is cached as
    /// another type, or lies past the end of the device.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public ReadBlock Read(ulong address, BlockValidator type) => new(_cache, Load(address, type));

    /// <summary>Leases a block for changing what it holds.</summary>
    /// <inheritdoc cref="Read" path="/exception"/>
    public WriteBlock Write(ulong address, BlockValidator type)
    {
        int frame = Load(address, type);
        MarkDirty(frame);
        return new WriteBlock(_cache, frame);
    }

    /// <summary>Leases a block for filling it: it is all zeroes, whatever it held and whatever type it was.</summary>
    /// <exception cref="MetadataCorruptException">It lies past the end of the device.</exception>
    /// <exception cref="DeviceException">The device failed while room was made in the cache.</exception>
    public WriteBlock WriteZeroed(ulong address, BlockValidator type)
    {
        if (_cache.TryFind(address, out int frame))
        {
            Debug.Assert(!_cache.IsPinned(frame), "a block in use was allocated");
            _cache.Touch(frame);
            _cache.ChangeType(frame, type);
        }
        else
        {
            ThrowIfPastTheEnd(address);
            frame = Vacate();
            _cache.Occupy(frame, address, type);
        }

        _cache.Data(frame).Clear();
        MarkDirty(frame);
        return new WriteBlock(_cache, frame);
    }

    /// <summary>Writes every changed block and makes the device keep them.</summary>
    /// <exception cref="MetadataFullException">The device is a sparse file, and its file system is full.</exception>
    /// <exception cref="DeviceException">The device failed: it is unknown which blocks it keeps.</exception>
    public void Flush()
    {
        WriteBack();
        if (_dirty.Count > 0) throw new InvalidOperationException($"block {_dirty[0]} is still being changed");
        Device.Flush();
    }

    /// <summary>Drops everything cached, changed blocks too. No lease may be used any more.</summary>
    public void Forget()
    {
        _cache.Clear();
        _dirty.Clear();
    }

    private int Load(ulong address, BlockValidator type)
    {
        if (_cache.TryFind(address, out int frame))
        {
            BlockValidator cachedType = _cache.TypeOf(frame);
            if (cachedType != type)
            {
                throw new MetadataCorruptException(
                    address, $"{cachedType.Name} where a {type.Name} should be", MetadataCorruption.Damaged);
            }

            _cache.Touch(frame);
            return frame;
        }

        ThrowIfPastTheEnd(address);
        frame = Vacate();
        Device.Read((long)address * BlockSize, _cache.Data(frame));
        type.Check(address, _cache.Data(frame));
        _cache.Occupy(frame, address, type);    // only now: a block that failed its check is not cached
        return frame;
    }

    private void ThrowIfPastTheEnd(ulong address)
    {
        if (address >= BlockCount)
        {
            throw new MetadataCorruptException(
                address, $"lies past the end of the device, which has {BlockCount} blocks", MetadataCorruption.Damaged);
        }
    }

    private int Vacate()
    {
        if (_dirty.Count > _cache.FrameCount / 2) WriteBack();
        return _cache.TryVacate(out int frame) ? frame : throw new UnreachableException("every cached block is leased");
    }

    private void MarkDirty(int frame)
    {
        if (_cache.IsDirty(frame)) return;
        _cache.SetDirty(frame, true);
        _dirty.Add(_cache.AddressIn(frame));
    }

    /// <summary>Writes the changed blocks in the order of their addresses, neighbours together. Leased ones are left
    /// out: they may be half changed.</summary>
    private void WriteBack()
    {
        _dirty.Sort();
        Span<ulong> dirty = CollectionsMarshal.AsSpan(_dirty);
        Span<ulong> rest = dirty;
        while (!rest.IsEmpty)
        {
            int length = RunLength(rest);
            if (length > 0) WriteRun(rest[..length]);
            rest = rest[Math.Max(length, 1)..];
        }

        // Only when all are written: had the device failed, all would still be dirty.
        int leased = 0;
        foreach (ulong address in dirty)
        {
            int frame = FrameOf(address);
            if (_cache.IsPinned(frame)) dirty[leased++] = address;
            else _cache.SetDirty(frame, false);
        }

        _dirty.RemoveRange(leased, _dirty.Count - leased);
    }

    /// <summary>How many of these blocks can be written together; 0 when the first one is leased.</summary>
    private int RunLength(ReadOnlySpan<ulong> addresses)
    {
        int length = 0;
        int most = Math.Min(addresses.Length, MaxBlocksPerWrite);
        while (length < most
            && addresses[length] == addresses[0] + (ulong)length
            && !_cache.IsPinned(FrameOf(addresses[length])))
        {
            length++;
        }

        return length;
    }

    private void WriteRun(ReadOnlySpan<ulong> addresses)
    {
        for (int i = 0; i < addresses.Length; i++)
        {
            int frame = FrameOf(addresses[i]);
            Span<byte> data = _cache.Data(frame);
            _cache.TypeOf(frame).PrepareForWrite(addresses[i], data);
            data.CopyTo(_run.AsSpan(i * BlockSize));
        }

        try { Device.Write((long)addresses[0] * BlockSize, _run.AsSpan(0, addresses.Length * BlockSize)); }
        catch (DeviceException fault) when (fault.Errno is Errno.ENOSPC or Errno.EDQUOT && addresses[0] != 0)
        {
            // A sparse file on a full file system. Nothing leads to these blocks yet: it is as if none had been free.
            throw new MetadataFullException($"the metadata device has no space ({fault.Message})", fault);
        }
    }

    private int FrameOf(ulong address) =>
        _cache.TryFind(address, out int frame) ? frame : throw new UnreachableException("a dirty block was evicted");
}
