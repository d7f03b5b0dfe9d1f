using System.Runtime.InteropServices;
using DmEra.Devices;

namespace DmEra.Tests.PersistentData.Blocks;

/// <summary>
/// A device of metadata blocks that remembers what was done to it, and fails when told to. Only what was written takes
/// memory, so it may be as large as the format allows.
/// </summary>
internal sealed class RecordingDevice(ulong blockCount) : IBlockDevice, IExtendable, IRefreshable
{
    private const int BlockSize = 4096;

    private Dictionary<ulong, byte[]> _blocks = [];

    /// <summary>Every write and flush so far, in order.</summary>
    public List<Operation> Operations { get; } = [];

    /// <summary>Operations that succeed before all others fail; null: none fails.</summary>
    public int? FailAfter { get; set; }

    /// <summary>The error number with which they fail.</summary>
    public int FailWith { get; set; } = Errno.EIO;

    /// <summary>Blocks up to which it can be extended.</summary>
    public ulong Capacity { get; set; } = blockCount;

    /// <summary>Error number of an extension past <see cref="Capacity"/>; null: the device has a fixed size.</summary>
    public int? CapacityErrno { get; set; }

    /// <summary>Blocks that <see cref="RefreshLength"/> finds; null: as many as before.</summary>
    public ulong? LengthWhenLookedAtAgain { get; set; }

    /// <summary>Extensions so far, each as the length in blocks.</summary>
    public List<ulong> Extensions { get; } = [];

    /// <summary>Reads so far.</summary>
    public int Reads { get; private set; }

    /// <summary>Length in blocks.</summary>
    public ulong BlockCount { get; set; } = blockCount;

    public long Length => (long)BlockCount * BlockSize;

    /// <summary>A device with this content.</summary>
    public static RecordingDevice With(byte[] content)
    {
        RecordingDevice device = new((ulong)content.Length / BlockSize);
        for (int i = 0; i < content.Length / BlockSize; i++)
            device[(ulong)i] = content[(i * BlockSize)..((i + 1) * BlockSize)];
        return device;
    }

    /// <summary>Another device with what this one holds now.</summary>
    public RecordingDevice Copy() => new(BlockCount) { _blocks = new(_blocks), Capacity = Capacity };

    /// <summary>The bytes of a block.</summary>
    public byte[] this[ulong address]
    {
        get => _blocks.GetValueOrDefault(address) ?? new byte[BlockSize];
        set => _blocks[address] = value;
    }

    public void Read(long offset, Span<byte> buffer)
    {
        Reads++;
        ThrowIfOutside(offset, buffer.Length);
        for (int i = 0; i < buffer.Length; i += BlockSize)
            this[(ulong)(offset + i) / BlockSize].CopyTo(buffer[i..]);
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        ThrowIfDue();
        ThrowIfOutside(offset, data.Length);
        Operations.Add(new Operation(offset, data.Length));
        for (int i = 0; i < data.Length; i += BlockSize)
            this[(ulong)(offset + i) / BlockSize] = data.Slice(i, BlockSize).ToArray();
    }

    public void Flush()
    {
        ThrowIfDue();
        Operations.Add(Operation.Flush);
    }

    public void Trim(long offset, long length) => throw new NotSupportedException();

    public void WriteZeroes(long offset, long length, ZeroingMode mode) => throw new NotSupportedException();

    public bool TryExtend(long length)
    {
        ulong wanted = (ulong)length / BlockSize;
        if (wanted > Capacity)
            return CapacityErrno is int errno ? throw new DeviceException("recording device", errno) : false;
        BlockCount = Math.Max(BlockCount, wanted);
        Extensions.Add(wanted);
        return true;
    }

    public void RefreshLength() => BlockCount = LengthWhenLookedAtAgain ?? BlockCount;

    public void Dispose()
    {
    }

    private void ThrowIfDue()
    {
        if (FailAfter is not int left) return;
        if (left == 0) throw new DeviceException("recording device", FailWith);
        FailAfter = left - 1;
    }

    private void ThrowIfOutside(long offset, int length)
    {
        if (offset < 0 || offset % BlockSize != 0 || length % BlockSize != 0 || offset + length > Length)
            throw new DeviceException("recording device: outside", Errno.EIO);
    }

    /// <summary>A write, or a flush.</summary>
    [StructLayout(LayoutKind.Auto)]
    internal readonly record struct Operation(long Offset, int Length)
    {
        public static readonly Operation Flush = new(-1, 0);

        public bool IsFlush => Offset < 0;

        /// <summary>Addresses of the blocks written.</summary>
        public IEnumerable<ulong> Blocks
        {
            get
            {
                for (long at = Offset; at < Offset + Length; at += BlockSize) yield return (ulong)at / BlockSize;
            }
        }
    }
}
