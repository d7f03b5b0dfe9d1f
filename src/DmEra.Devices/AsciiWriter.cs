using System.Runtime.CompilerServices;

namespace DmEra.Devices;

/// <summary>Writes ASCII text fast: what is appended collects in a buffer of its own. What is left in it at the end
/// must be flushed.</summary>
/// <param name="stream">Where to.</param>
public sealed class AsciiWriter(Stream stream)
{
    private const int MaxDigits = 10;

    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(1 << 16);
    private int _length;

    /// <summary>Appends a short text.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Append(ReadOnlySpan<byte> text)
    {
        if (text.Length > _buffer.Length - _length) Flush();
        text.CopyTo(_buffer.AsSpan(_length));
        _length += text.Length;
    }

    /// <summary>Appends a number in decimal.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Append(uint number)
    {
        if (MaxDigits > _buffer.Length - _length) Flush();
        int digits = 1;
        for (ulong limit = 10; number >= limit; limit *= 10) digits++;
        Span<byte> text = _buffer.AsSpan(_length, digits);
        for (int i = digits - 1; i >= 0; i--)
        {
            uint rest = number / 10;
            text[i] = (byte)('0' + number - (rest * 10));
            number = rest;
        }

        _length += digits;
    }

    /// <summary>Writes out what has collected.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void Flush()
    {
        stream.Write(_buffer, 0, _length);
        _length = 0;
    }
}
