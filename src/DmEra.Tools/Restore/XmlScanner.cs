using System.Text;

namespace DmEra.Tools.Restore;

/// <summary>
/// Cuts XML into its tags. It knows as much of XML as metadata dumps use: elements with attributes, comments, a
/// declaration; no text, no entities, no document type. One tag at a time is in memory.
/// </summary>
internal sealed class XmlScanner(Stream input)
{
    private const int LongestTag = 1 << 16;
    private const int MaxAttributes = 16;

    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(1 << 18);
    private readonly List<(Range Name, Range Value)> _attributes = new(MaxAttributes);
    private int _next;              // first byte not yet used
    private int _end;               // behind the last byte read
    private long _linesBefore;      // line ends in what was thrown out of the buffer
    private int _tag;               // where the tag found last begins; ranges count from here
    private Range _name;
    private bool _atStart = true;

    /// <summary>Name of the element whose tag was found last.</summary>
    public ReadOnlySpan<byte> Name => Tag[_name];

    /// <summary>True for <c>&lt;/name&gt;</c>.</summary>
    public bool IsEnd { get; private set; }

    /// <summary>True for <c>&lt;name/&gt;</c>.</summary>
    public bool IsEmpty { get; private set; }

    /// <summary>What has been read ahead, at least <see cref="LongestLine"/> bytes unless the input ends. For readers
    /// that know what comes next: they take it with <see cref="Skip"/>.</summary>
    public ReadOnlySpan<byte> Ahead
    {
        get
        {
            if (_end - _next < LongestLine) Fill();
            return new ReadOnlySpan<byte>(_buffer, _next, _end - _next);
        }
    }

    /// <summary>More than a line that a dump is made of.</summary>
    public static int LongestLine => 128;

    private ReadOnlySpan<byte> Tag => _buffer.AsSpan(_tag);

    /// <summary>Takes a tag at the start of <see cref="Ahead"/>, with what follows it.</summary>
    public void Skip(int count)
    {
        _tag = _next;
        _next += count;
    }

    /// <summary>Finds the next tag.</summary>
    /// <returns>false at the end of the input.</returns>
    /// <exception cref="EraXmlException">It is not XML, or cut short.</exception>
    public bool Read()
    {
        SkipByteOrderMark();
        while (true)
        {
            for (_tag = _next; Has(1) && IsBlank(_buffer[_next]); _tag = _next) _next++;
            if (!Has(1)) return false;
            if (_buffer[_next] != '<') throw Fault("text where only elements may be; is it era metadata in XML?");
            if (Starts("<!--"u8)) SkipPast("-->"u8);
            else if (Starts("<?"u8)) SkipPast("?>"u8);
            else if (Starts("<!"u8)) throw Fault("document types and character data are not supported");
            else break;
        }

        ReadTag();
        // So that what is ahead is a line, for readers that look.
        if (Has(1) && _buffer[_next] == '\n') _next++;
        return true;
    }

    /// <summary>Finds an attribute of the tag found last.</summary>
    public bool TryGetAttribute(ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        foreach ((Range Name, Range Value) attribute in _attributes)
        {
            if (!name.SequenceEqual(Tag[attribute.Name])) continue;
            value = Tag[attribute.Value];
            return true;
        }

        value = default;
        return false;
    }

    /// <summary>A fault in the tag found or taken last.</summary>
    public EraXmlException Fault(string cause) =>
        new(_linesBefore + _buffer.AsSpan(0, _tag).Count((byte)'\n') + 1, cause);

    private static bool IsBlank(byte value) => value is (byte)' ' or (byte)'\n' or (byte)'\t' or (byte)'\r';

    private static bool IsNameByte(byte value) =>
        char.IsAsciiLetterOrDigit((char)value) || value is (byte)'_' or (byte)'-' or (byte)'.' or (byte)':' or >= 0x80;

    private void SkipByteOrderMark()
    {
        if (_atStart && Starts([0xEF, 0xBB, 0xBF])) _next += 3;
        _atStart = false;
    }

    private void ReadTag()
    {
        _attributes.Clear();
        _next++;
        IsEnd = Take((byte)'/');
        IsEmpty = false;
        _name = ReadName();
        while (true)
        {
            bool isSeparated = SkipBlanks();
            if (Take((byte)'>')) return;
            if (!IsEnd && Take((byte)'/'))
            {
                if (!Take((byte)'>')) throw Fault("'/' within a tag");
                IsEmpty = true;
                return;
            }

            if (IsEnd || !isSeparated) throw Fault($"a malformed <{Encoding.UTF8.GetString(Name)}> tag");
            ReadAttribute();
        }
    }

    private void ReadAttribute()
    {
        Range name = ReadName();
        SkipBlanks();
        if (!Take((byte)'=')) throw Fault($"attribute {Encoding.UTF8.GetString(Tag[name])} has no value");
        SkipBlanks();
        byte quote = Peek();
        if (quote is not ((byte)'"' or (byte)'\'')) throw Fault($"the value of {Encoding.UTF8.GetString(Tag[name])} is not in quotes");
        _next++;
        int begin = _next - _tag;
        while (Peek() != quote)
        {
            if (_buffer[_next] == '<') throw Fault($"the value of {Encoding.UTF8.GetString(Tag[name])} has no closing quote");
            _next++;
        }

        if (TryGetAttribute(Tag[name], out _)) throw Fault($"attribute {Encoding.UTF8.GetString(Tag[name])} is given twice");
        if (_attributes.Count == MaxAttributes) throw Fault($"more than {MaxAttributes} attributes");
        _attributes.Add((name, begin..(_next - _tag)));
        _next++;
    }

    private Range ReadName()
    {
        int begin = _next - _tag;
        while (IsNameByte(Peek())) _next++;
        if (_next - _tag == begin) throw Fault("a tag without a name");
        return begin..(_next - _tag);
    }

    private bool SkipBlanks()
    {
        bool any = false;
        for (; Has(1) && IsBlank(_buffer[_next]); _next++) any = true;
        return any;
    }

    private void SkipPast(ReadOnlySpan<byte> end)
    {
        while (!Starts(end))
        {
            if (!Has(1)) throw Fault("the XML ends within a comment: it was cut short");
            // A comment may be longer than the buffer; none of it need be kept.
            _tag = ++_next;
        }

        _next += end.Length;
    }

    private bool Take(byte value)
    {
        if (Peek() != value) return false;
        _next++;
        return true;
    }

    // Within a tag, where the input must not end.
    private byte Peek() => Has(1) ? _buffer[_next] : throw Fault("the XML ends within a tag: it was cut short");

    private bool Starts(ReadOnlySpan<byte> text) =>
        Has(text.Length) && _buffer.AsSpan(_next, text.Length).SequenceEqual(text);

    private bool Has(int count)
    {
        if (_end - _next < count) Fill();
        return _end - _next >= count;
    }

    /// <summary>Throws out what is behind, up to the tag being read, and reads on.</summary>
    private void Fill()
    {
        if (_next - _tag > LongestTag) throw Fault("the tag is too long");
        _linesBefore += _buffer.AsSpan(0, _tag).Count((byte)'\n');
        _buffer.AsSpan(_tag.._end).CopyTo(_buffer);
        _next -= _tag;
        _end -= _tag;
        _tag = 0;
        while (_end - _next < LongestLine)
        {
            int count = input.Read(_buffer, _end, _buffer.Length - _end);
            if (count == 0) return;
            _end += count;
        }
    }
}
