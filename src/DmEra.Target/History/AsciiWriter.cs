using System.Buffers.Text;
using System.Diagnostics;

namespace DmEra.Target.History;

/// <summary>Writes ASCII text fast: what is appended collects in a buffer of its own. What is left in it at the end
/// must be flushed.</summary>
internal sealed class AsciiWriter(Stream stream)
{
    private const int LongestNumber = 20;

    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(1 << 16);
    private int _length;

    /// <summary>Appends a short text.</summary>
    public void Append(ReadOnlySpan<byte> text)
    {
        if (text.Length > _buffer.Length - _length) Flush();
        text.CopyTo(_buffer.AsSpan(_length));
        _length += text.Length;
    }

    /// <summary>Appends a number in decimal.</summary>
    public void Append(ulong number)
    {
        if (LongestNumber > _buffer.Length - _length) Flush();
        bool fits = Utf8Formatter.TryFormat(number, _buffer.AsSpan(_length), out int written);
        Debug.Assert(fits, "room was made for the longest number");
        _length += written;
    }

    /// <summary>Writes out what has collected.</summary>
    public void Flush()
    {
        stream.Write(_buffer, 0, _length);
        _length = 0;
    }
}
