using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace DmEra.Devices.Binary;

/// <summary>A 32-bit unsigned number as it lies on disk (kernel: <c>__le32</c>). Converts implicitly.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly struct Le32 : IEquatable<Le32>
{
    private readonly uint _raw;

    private Le32(uint value) => _raw = Convert(value);

    /// <summary>The number.</summary>
    public uint Value => Convert(_raw);

    /// <summary>Reads the number.</summary>
    public static implicit operator uint(Le32 field) => Convert(field._raw);

    /// <summary>Makes a field.</summary>
    public static implicit operator Le32(uint value) => new(value);

    /// <inheritdoc/>
    public bool Equals(Le32 other) => _raw == other._raw;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Le32 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => (int)_raw;

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();

    /// <summary>Compares.</summary>
    public static bool operator ==(Le32 left, Le32 right) => left._raw == right._raw;

    /// <summary>Compares.</summary>
    public static bool operator !=(Le32 left, Le32 right) => left._raw != right._raw;

    private static uint Convert(uint value) =>
        BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);
}

/// <summary>A 64-bit unsigned number as it lies on disk (kernel: <c>__le64</c>). Converts implicitly.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly struct Le64 : IEquatable<Le64>
{
    private readonly ulong _raw;

    private Le64(ulong value) => _raw = Convert(value);

    /// <summary>The number.</summary>
    public ulong Value => Convert(_raw);

    /// <summary>Reads the number.</summary>
    public static implicit operator ulong(Le64 field) => Convert(field._raw);

    /// <summary>Makes a field.</summary>
    public static implicit operator Le64(ulong value) => new(value);

    /// <inheritdoc/>
    public bool Equals(Le64 other) => _raw == other._raw;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Le64 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _raw.GetHashCode();

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();

    /// <summary>Compares.</summary>
    public static bool operator ==(Le64 left, Le64 right) => left._raw == right._raw;

    /// <summary>Compares.</summary>
    public static bool operator !=(Le64 left, Le64 right) => left._raw != right._raw;

    private static ulong Convert(ulong value) =>
        BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);
}
