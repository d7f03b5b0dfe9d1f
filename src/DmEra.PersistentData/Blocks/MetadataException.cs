namespace DmEra.PersistentData.Blocks;

/// <summary>A fault of the metadata; faults of the device it lies on stay
/// <see cref="Devices.DeviceException"/>s.</summary>
public abstract class MetadataException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A metadata block is not what it should be.</summary>
/// <param name="block">Address of the metadata block.</param>
/// <param name="cause">What is wrong, as in "bad checksum in btree node".</param>
/// <param name="kind">Which of the kernel's errors it is.</param>
public sealed class MetadataCorruptException(ulong block, string cause, MetadataCorruption kind)
    : MetadataException($"metadata block {block}: {cause}")
{
    /// <summary>Address of the metadata block.</summary>
    public ulong Block { get; } = block;

    /// <summary>What is wrong, without the address.</summary>
    public string Cause { get; } = cause;

    /// <summary>Which of the kernel's errors it is.</summary>
    public MetadataCorruption Kind { get; } = kind;
}

/// <summary>The kinds of corruption that the kernel tells apart by error number.</summary>
public enum MetadataCorruption
{
    /// <summary>The block's own address differs from where it lies (kernel: ENOTBLK).</summary>
    WrongAddress,

    /// <summary>Checksum, magic or structure (kernel: EILSEQ).</summary>
    Damaged,

    /// <summary>A version this program does not know (kernel: EINVAL).</summary>
    Unsupported,
}

/// <summary>The metadata device has no free block left, and cannot be extended.</summary>
public sealed class MetadataFullException(string message, Exception? inner = null)
    : MetadataException(message, inner);

/// <summary>An earlier commit failed: nothing may be changed until the metadata is opened anew.</summary>
public sealed class MetadataFailedException(string message, Exception? inner = null)
    : MetadataException(message, inner);
