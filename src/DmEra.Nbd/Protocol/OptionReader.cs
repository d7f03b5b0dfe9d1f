using System.Buffers.Binary;
using System.Text;

namespace DmEra.Nbd.Protocol;

/// <summary>Takes the data of an option apart, field by field; every method says false when it does not fit.</summary>
internal ref struct OptionReader(ReadOnlySpan<byte> data)
{
    // Throws on what is not UTF-8, instead of letting two names become one.
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private ReadOnlySpan<byte> _rest = data;

    public readonly bool IsAtEnd => _rest.IsEmpty;

    public bool TryRead(out ushort number)
    {
        if (!BinaryPrimitives.TryReadUInt16BigEndian(_rest, out number)) return false;
        _rest = _rest[sizeof(ushort)..];
        return true;
    }

    public bool TryRead(out uint number)
    {
        if (!BinaryPrimitives.TryReadUInt32BigEndian(_rest, out number)) return false;
        _rest = _rest[sizeof(uint)..];
        return true;
    }

    /// <summary>Reads a 32-bit length and a string of that many bytes.</summary>
    public bool TryRead(out string text)
    {
        text = "";
        if (!TryRead(out uint length) || length > _rest.Length) return false;
        ReadOnlySpan<byte> bytes = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return TryDecode(bytes, out text);
    }

    /// <summary>Decodes a string of the protocol: UTF-8, without NUL, of limited length.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, out string text)
    {
        text = "";
        if (bytes.Length > NbdLimits.NameBytes || bytes.Contains((byte)0)) return false;
        try { text = Utf8.GetString(bytes); }
        catch (DecoderFallbackException) { return false; }

        return true;
    }
}
