using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;
using DmEra.Target.Metadata;

namespace DmEra.Target.Chronicles;

/// <summary>The first 64 bytes of a chronicle.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct ChronicleHeader
{
    public const ulong ExpectedMagic = 0x656c63696e6f7268;   // "hronicle"
    public const uint SupportedVersion = 1;

    public Le32 Checksum;
    public Le32 Version;
    public Le64 Magic;
    public UuidField Lineage;       // of the metadata when it was last seen
    public ReservedWords Reserved;

    public readonly Guid? KnownLineage
    {
        get
        {
            Guid lineage = new(Lineage);
            return lineage == Guid.Empty ? null : lineage;
        }
    }

    public static ChronicleHeader For(Guid? lineage)
    {
        ChronicleHeader header = new() { Version = SupportedVersion, Magic = ExpectedMagic };
        (lineage ?? Guid.Empty).TryWriteBytes(header.Lineage);
        return header;
    }

    /// <summary>Zeroes.</summary>
    [InlineArray(32)]
    internal struct ReservedWords
    {
        private byte _first;
    }
}

/// <summary>What happened at a boundary.</summary>
internal enum ChronicleEvent : uint
{
    /// <summary>No record.</summary>
    None,

    /// <summary>The era began.</summary>
    Begun,

    /// <summary>The era before it ended and was archived; it has not begun yet.</summary>
    Ended,

    /// <summary>As <see cref="Ended"/>, but the era before it was found open, as after a crash, and is archived when this one
    /// begins.</summary>
    LeftOpen,
}

/// <summary>One boundary between two eras, 64 bytes.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct ChronicleRecord
{
    public Le32 Checksum;
    public Le32 Event;              // ChronicleEvent
    public Le32 Era;                // the one that begins there
    public Le32 Gap;                // the era before whose beginning writes were last missed; 0 = none were
    public UuidField Mark;
    public Le64 OriginInode;        // as it was then; 0 = no regular file
    public Le64 OriginLength;
    public Le64 OriginModified;     // nanoseconds since 1970; 0 = it was in use
    public Le64 DeviceLength;       // bytes; 0 = not known

    public readonly Guid MarkValue => new(Mark);
}

/// <summary>The bytes of a chronicle's structs, with their checksums.</summary>
internal static class ChronicleBytes
{
    /// <summary>Bytes of the header, and of each record.</summary>
    public const int Size = 64;

    /// <summary>Seals a struct.</summary>
    public static byte[] Of<T>(T value)
        where T : unmanaged
    {
        byte[] bytes = new byte[Size];
        MemoryMarshal.Write(bytes, in value);
        MemoryMarshal.Write(bytes, (Le32)Sum(bytes));
        return bytes;
    }

    /// <summary>Reads a struct; false when its bytes are not as they were sealed.</summary>
    public static bool TryRead<T>(ReadOnlySpan<byte> bytes, out T value)
        where T : unmanaged
    {
        value = MemoryMarshal.Read<T>(bytes);
        return MemoryMarshal.Read<Le32>(bytes) == Sum(bytes);
    }

    private static uint Sum(ReadOnlySpan<byte> bytes) => Crc32C.Raw(bytes[sizeof(uint)..]);
}
