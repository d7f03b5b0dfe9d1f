using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace DmEra.Devices.Binary;

/// <summary>A 16-bit unsigned number as it goes over the wire (kernel: <c>__be16</c>). Converts implicitly.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly struct Be16 : IEquatable<Be16>
{
    private readonly ushort _raw;

    private Be16(ushort value) => _raw = Convert(value);

    /// <summary>The number.</summary>
    public ushort Value => Convert(_raw);

    /// <summary>Reads the number.</summary>
    public static implicit operator ushort(Be16 field) => Convert(field._raw);

    /// <summary>Makes a field.</summary>
    public static implicit operator Be16(ushort value) => new(value);

    /// <inheritdoc/>
    public bool Equals(Be16 other) => _raw == other._raw;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Be16 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _raw;

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();

    /// <summary>Compares.</summary>
    public static bool operator ==(Be16 left, Be16 right) => left._raw == right._raw;

    /// <summary>Compares.</summary>
    public static bool operator !=(Be16 left, Be16 right) => left._raw != right._raw;

    private static ushort Convert(ushort value) =>
        BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;
}

/// <summary>A 32-bit unsigned number as it goes over the wire (kernel: <c>__be32</c>). Converts implicitly.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly struct Be32 : IEquatable<Be32>
{
    private readonly uint _raw;

    private Be32(uint value) => _raw = Convert(value);

    /// <summary>The number.</summary>
    public uint Value => Convert(_raw);

    /// <summary>Reads the number.</summary>
    public static implicit operator uint(Be32 field) => Convert(field._raw);

    /// <summary>Makes a field.</summary>
    public static implicit operator Be32(uint value) => new(value);

    /// <inheritdoc/>
    public bool Equals(Be32 other) => _raw == other._raw;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Be32 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => (int)_raw;

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();

    /// <summary>Compares.</summary>
    public static bool operator ==(Be32 left, Be32 right) => left._raw == right._raw;

    /// <summary>Compares.</summary>
    public static bool operator !=(Be32 left, Be32 right) => left._raw != right._raw;

    private static uint Convert(uint value) =>
        BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;
}

/// <summary>A 64-bit unsigned number as it goes over the wire (kernel: <c>__be64</c>). Converts implicitly.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly struct Be64 : IEquatable<Be64>
{
    private readonly ulong _raw;

    private Be64(ulong value) => _raw = Convert(value);

    /// <summary>The number.</summary>
    public ulong Value => Convert(_raw);

    /// <summary>Reads the number.</summary>
    public static implicit operator ulong(Be64 field) => Convert(field._raw);

    /// <summary>Makes a field.</summary>
    public static implicit operator Be64(ulong value) => new(value);

    /// <inheritdoc/>
    public bool Equals(Be64 other) => _raw == other._raw;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Be64 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _raw.GetHashCode();

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();

    /// <summary>Compares.</summary>
    public static bool operator ==(Be64 left, Be64 right) => left._raw == right._raw;

    /// <summary>Compares.</summary>
    public static bool operator !=(Be64 left, Be64 right) => left._raw != right._raw;

    private static ulong Convert(ulong value) =>
        BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;
}
