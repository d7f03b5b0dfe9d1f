using System.Buffers.Text;
using System.Runtime.CompilerServices;
using System.Text;
using DmEra.Tools.Writing;

namespace DmEra.Tools.Restore;

/// <summary>What <see cref="EraXmlReader"/> has come to.</summary>
internal enum EraXmlItem
{
    Superblock,
    Writeset,
    Marks,
    EndWriteset,
    EraArray,
    Era,
    EndEraArray,
    EndSuperblock,
}

/// <summary>
/// Reads metadata in XML, of either dialect: <c>&lt;bit&gt;</c> or <c>&lt;marked&gt;</c>, writesets and era array in any
/// order. It answers for the shape of the document and for each number being one; what numbers may be is the caller's.
/// </summary>
internal sealed class EraXmlReader(Stream input)
{
    private readonly XmlScanner _xml = new(input);
    private EraXmlItem? _inside;        // Superblock, Writeset or EraArray; null = outside of everything
    private bool _isEmpty;              // the element just begun has no content
    private bool _isWhole;

    /// <summary>With <see cref="EraXmlItem.Superblock"/>: its attributes.</summary>
    public EraGeometry Geometry { get; private set; }

    /// <summary>With <see cref="EraXmlItem.Writeset"/> and <see cref="EraXmlItem.Era"/>: the era.</summary>
    public uint Era { get; private set; }

    /// <summary>With <see cref="EraXmlItem.Writeset"/>: origin blocks it tells of.</summary>
    public uint NrBits { get; private set; }

    /// <summary>With <see cref="EraXmlItem.Marks"/> and <see cref="EraXmlItem.Era"/>: the first origin block.</summary>
    public uint Block { get; private set; }

    /// <summary>With <see cref="EraXmlItem.Marks"/>: blocks.</summary>
    public uint Count { get; private set; }

    /// <summary>With <see cref="EraXmlItem.Marks"/>: whether the blocks are marked, or said not to be.</summary>
    public bool IsMarked { get; private set; }

    /// <summary>A fault at the item read last.</summary>
    public EraXmlException Fault(string cause) => _xml.Fault(cause);

    /// <summary>Reads on.</summary>
    /// <returns>null at the end of a whole document.</returns>
    /// <exception cref="EraXmlException">The document is malformed or cut short.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public EraXmlItem? Read()
    {
        if (_inside == EraXmlItem.Writeset && TryReadBitLine()) return EraXmlItem.Marks;
        if (_inside == EraXmlItem.EraArray && TryReadEraLine()) return EraXmlItem.Era;
        if (_isEmpty) return End();
        if (!_xml.Read()) return _isWhole ? null : throw CutShort();
        if (_isWhole) throw Fault("another element behind the superblock");
        if (_xml.IsEnd) return ReadEnd();
        return _inside switch
        {
            null => Begin("superblock"u8, EraXmlItem.Superblock),
            EraXmlItem.Superblock when _xml.Name.SequenceEqual("writeset"u8) => Begin("writeset"u8, EraXmlItem.Writeset),
            EraXmlItem.Superblock => Begin("era_array"u8, EraXmlItem.EraArray),
            EraXmlItem.Writeset => ReadMarks(),
            _ => ReadEra(),
        };
    }

    // The two lines that nearly all of a dump consists of. Anything else about them, even a blank more, is left to
    // the scanner. They are compiled when they are first used: code compiled in advance calls what should be in line.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool TryReadBitLine()
    {
        ReadOnlySpan<byte> start = _xml.Ahead;
        ReadOnlySpan<byte> line = start;
        if (!TakeText(ref line, "    <bit block=\""u8) || !TakeNumber(ref line, out uint block)) return false;
        if (!TakeText(ref line, "\" value=\""u8)) return false;
        bool isMarked = TakeText(ref line, "true"u8);
        if ((!isMarked && !TakeText(ref line, "false"u8)) || !TakeText(ref line, "\"/>\n"u8)) return false;
        _xml.Skip(start.Length - line.Length);
        (Block, Count, IsMarked) = (block, 1, isMarked);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool TryReadEraLine()
    {
        ReadOnlySpan<byte> start = _xml.Ahead;
        ReadOnlySpan<byte> line = start;
        if (!TakeText(ref line, "    <era block=\""u8) || !TakeNumber(ref line, out uint block)) return false;
        if (!TakeText(ref line, "\" era=\""u8) || !TakeNumber(ref line, out uint era)) return false;
        if (!TakeText(ref line, "\"/>\n"u8)) return false;
        _xml.Skip(start.Length - line.Length);
        (Block, Era) = (block, era);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool TakeText(ref ReadOnlySpan<byte> line, ReadOnlySpan<byte> text)
    {
        if (!line.StartsWith(text)) return false;
        line = line[text.Length..];
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool TakeNumber(ref ReadOnlySpan<byte> line, out uint number)
    {
        const int SafeDigits = 9;   // no overflow; longer ones take the slow way
        number = 0;
        int digits = 0;
        while (digits <= SafeDigits && digits < line.Length && (uint)(line[digits] - '0') <= 9)
            number = (number * 10) + (uint)(line[digits++] - '0');
        line = line[digits..];
        return digits is > 0 and <= SafeDigits;
    }

    private EraXmlItem Begin(ReadOnlySpan<byte> name, EraXmlItem item)
    {
        RequireName(name);
        switch (item)
        {
            case EraXmlItem.Superblock:
                Geometry = new EraGeometry(Number("block_size"u8), Number("nr_blocks"u8), Number("current_era"u8));
                break;
            case EraXmlItem.Writeset:
                (Era, NrBits) = (Number("era"u8), Number("nr_bits"u8));
                break;
        }

        _inside = item;
        _isEmpty = _xml.IsEmpty;
        return item;
    }

    private EraXmlItem ReadEnd()
    {
        ReadOnlySpan<byte> open = _inside switch
        {
            EraXmlItem.Superblock => "superblock"u8,
            EraXmlItem.Writeset => "writeset"u8,
            EraXmlItem.EraArray => "era_array"u8,
            _ => throw Fault("an end tag, but no element is open"),
        };
        if (!_xml.Name.SequenceEqual(open)) throw Fault($"</{Text(_xml.Name)}> where </{Text(open)}> was expected");
        return End();
    }

    private EraXmlItem End()
    {
        (EraXmlItem end, _inside) = _inside switch
        {
            EraXmlItem.Writeset => (EraXmlItem.EndWriteset, (EraXmlItem?)EraXmlItem.Superblock),
            EraXmlItem.EraArray => (EraXmlItem.EndEraArray, EraXmlItem.Superblock),
            _ => (EraXmlItem.EndSuperblock, null),
        };
        _isEmpty = false;
        _isWhole = end == EraXmlItem.EndSuperblock;
        return end;
    }

    private EraXmlItem ReadMarks()
    {
        if (_xml.Name.SequenceEqual("marked"u8))
        {
            (Block, Count, IsMarked) = (Number("block_begin"u8), Number("len"u8), true);
        }
        else
        {
            RequireName("bit"u8);
            (Block, Count, IsMarked) = (Number("block"u8), 1, Truth("value"u8));
        }

        SkipEndOf(_xml.Name);
        return EraXmlItem.Marks;
    }

    private EraXmlItem ReadEra()
    {
        RequireName("era"u8);
        (Block, Era) = (Number("block"u8), Number("era"u8));
        SkipEndOf("era"u8);
        return EraXmlItem.Era;
    }

    // <bit ...></bit> is the same as <bit .../>.
    private void SkipEndOf(ReadOnlySpan<byte> name)
    {
        if (_xml.IsEmpty) return;
        string open = Text(name);
        if (!_xml.Read()) throw CutShort();
        if (!_xml.IsEnd || !string.Equals(Text(_xml.Name), open, StringComparison.Ordinal)) throw Fault($"</{open}> was expected");
    }

    private void RequireName(ReadOnlySpan<byte> expected)
    {
        if (!_xml.Name.SequenceEqual(expected))
            throw Fault($"<{Text(_xml.Name)}> where <{Text(expected)}> was expected");
    }

    private uint Number(ReadOnlySpan<byte> attribute)
    {
        ReadOnlySpan<byte> text = Attribute(attribute);
        bool isNumber = Utf8Parser.TryParse(text, out uint number, out int length) && length == text.Length;
        // The parser takes a sign, too.
        if (!isNumber || !char.IsAsciiDigit((char)text[0]))
            throw Fault($"{Text(attribute)}=\"{Text(text)}\" is not a number from 0 to {uint.MaxValue}");
        return number;
    }

    private bool Truth(ReadOnlySpan<byte> attribute)
    {
        ReadOnlySpan<byte> text = Attribute(attribute);
        if (text.SequenceEqual("true"u8)) return true;
        if (text.SequenceEqual("false"u8)) return false;
        throw Fault($"{Text(attribute)}=\"{Text(text)}\" is neither true nor false");
    }

    private ReadOnlySpan<byte> Attribute(ReadOnlySpan<byte> name) =>
        _xml.TryGetAttribute(name, out ReadOnlySpan<byte> value)
            ? value
            : throw Fault($"<{Text(_xml.Name)}> has no attribute {Text(name)}");

    private EraXmlException CutShort() => Fault("the XML ends before </superblock>: it was cut short");

    private static string Text(ReadOnlySpan<byte> bytes) =>
        Encoding.UTF8.GetString(bytes.Length <= 64 ? bytes : bytes[..64]);
}
