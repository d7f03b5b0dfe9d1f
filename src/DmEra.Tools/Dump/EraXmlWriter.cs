using DmEra.Devices;
using DmEra.PersistentData.Bitsets;
using DmEra.Target.History;
using DmEra.Tools.Writing;

namespace DmEra.Tools.Dump;

/// <summary>How the marks of a writeset are written in XML.</summary>
public enum MarkStyle
{
    /// <summary>A <c>&lt;bit&gt;</c> element for every block, marked or not: what every version of era_restore reads.</summary>
    Bits,

    /// <summary>A <c>&lt;marked&gt;</c> element for each run of marked blocks.</summary>
    Marked,
}

/// <summary>Writes metadata as XML, in the words and to the byte as era_dump does. The caller keeps the order: writesets
/// ascending, then the era array.</summary>
internal sealed class EraXmlWriter(Stream output, MarkStyle style)
{
    private readonly AsciiWriter _text = new(output);
    private BlockRange _run;        // marked, and perhaps going on

    public void Begin(EraGeometry geometry)
    {
        Attribute("<superblock uuid=\"\" block_size=\""u8, geometry.DataBlockSize);
        Attribute("\" nr_blocks=\""u8, geometry.NrBlocks);
        Attribute("\" current_era=\""u8, geometry.CurrentEra);
        _text.Append("\">\n"u8);
    }

    public void BeginWriteset(uint era, uint nrBits)
    {
        Attribute("  <writeset era=\""u8, era);
        Attribute("\" nr_bits=\""u8, nrBits);
        _text.Append("\">\n"u8);
    }

    /// <summary>Writes the marks of up to 64 blocks in a row.</summary>
    /// <param name="marks">A bit for each, the lowest for the first.</param>
    /// <param name="firstBlock">The first block.</param>
    /// <param name="count">Blocks.</param>
    public void Marks(ulong marks, uint firstBlock, int count)
    {
        if (style == MarkStyle.Marked)
        {
            CollectRuns(marks, firstBlock, count);
            return;
        }

        for (int i = 0; i < count; i++)
        {
            Attribute("    <bit block=\""u8, firstBlock + (uint)i);
            _text.Append((marks >> i & 1) != 0 ? "\" value=\"true\"/>\n"u8 : "\" value=\"false\"/>\n"u8);
        }
    }

    public void EndWriteset()
    {
        WriteRun();
        _text.Append("  </writeset>\n"u8);
    }

    public void BeginEraArray() => _text.Append("  <era_array>\n"u8);

    /// <summary>Writes the eras of blocks in a row.</summary>
    public void Eras(uint firstBlock, ReadOnlySpan<uint> eras)
    {
        for (int i = 0; i < eras.Length; i++)
        {
            Attribute("    <era block=\""u8, firstBlock + (uint)i);
            Attribute("\" era=\""u8, eras[i]);
            _text.Append("\"/>\n"u8);
        }
    }

    public void EndEraArray() => _text.Append("  </era_array>\n"u8);

    /// <summary>Ends the document and writes out what has collected.</summary>
    public void End()
    {
        _text.Append("</superblock>\n"u8);
        _text.Flush();
    }

    private void CollectRuns(ulong marks, uint firstBlock, int count)
    {
        ReadOnlySpan<ulong> bits = new(in marks);
        for (int at = 0; (at = BlockBits.Next(bits, true, at, count)) < count;)
        {
            int end = BlockBits.Next(bits, false, at, count);
            uint begin = firstBlock + (uint)at;
            if (_run.Count != 0 && _run.End == begin)
            {
                begin = _run.Begin;
                _run = default;
            }

            WriteRun();
            _run = new BlockRange(begin, firstBlock + (uint)end);
            at = end;
        }
    }

    private void WriteRun()
    {
        if (_run.Count == 0) return;
        Attribute("    <marked block_begin=\""u8, _run.Begin);
        Attribute("\" len=\""u8, _run.Count);
        _text.Append("\"/>\n"u8);
        _run = default;
    }

    private void Attribute(ReadOnlySpan<byte> before, uint value)
    {
        _text.Append(before);
        _text.Append(value);
    }
}
