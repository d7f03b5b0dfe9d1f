using System.Globalization;
using System.Text;

namespace DmEra.Fuzz.Xml;

/// <summary>Spoils XML: bytes, lines, numbers, and what tags are made of.</summary>
internal sealed class XmlMutator(Random random)
{
    private static readonly string[] Fragments =
    [
        "<", ">", "/>", "</", "\"", "'", "=", "&amp;", "&#49;", "<!--", "-->", "<?", "?>", "<!DOCTYPE x>", "<![CDATA[", "]]>", "\0", "\uFEFF",
        "<superblock>", "</superblock>", "<era_array>", "</era_array>", "</writeset>", "<writeset era=\"1\" nr_bits=\"64\">",
        "<bit block=\"0\" value=\"true\"/>", "<marked block_begin=\"1\" len=\"2\"/>", "<era block=\"0\" era=\"1\"/>", " era=\"1\"", "\n",
    ];

    private static readonly string[] Numbers =
        ["0", "1", "-1", "63", "64", "65", "2147483647", "2147483648", "4294967295", "4294967296", "18446744073709551616", "1e3", "0x1", " 1", "+1", ""];

    /// <summary>Does something, or several things.</summary>
    public byte[] Mutate(byte[] xml)
    {
        List<byte> text = [.. xml];
        for (int changes = random.Next(3) == 0 ? random.Next(2, 6) : 1; changes > 0; changes--) Change(text);
        return [.. text];
    }

    private void Change(List<byte> text)
    {
        int at = random.Next(text.Count + 1);
        switch (random.Next(9))
        {
            case 0:
                if (at < text.Count) text[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                text.RemoveRange(at, text.Count - at);
                break;
            case 2:
                text.RemoveRange(at, Math.Min(random.Next(1, 60), text.Count - at));
                break;
            case 3:
                text.InsertRange(at, Encoding.UTF8.GetBytes(Fragments[random.Next(Fragments.Length)]));
                break;
            case 4:
                text.InsertRange(at, text.GetRange(at, Math.Min(random.Next(1, 200), text.Count - at)));
                break;
            case 5:
                MoveLine(text, at);
                break;
            default:
                ChangeNumber(text, at);
                break;
        }
    }

    private void MoveLine(List<byte> text, int at)
    {
        if (text.Count == 0) return;
        int begin = text.LastIndexOf((byte)'\n', Math.Max(at - 1, 0)) + 1;
        int end = text.IndexOf((byte)'\n', Math.Min(begin, text.Count)) + 1;
        if (begin >= end) return;
        List<byte> line = text.GetRange(begin, end - begin);
        if (random.Next(2) == 0) text.RemoveRange(begin, line.Count);
        text.InsertRange(text.IndexOf((byte)'\n', random.Next(text.Count + 1)) + 1, line);
    }

    private void ChangeNumber(List<byte> text, int at)
    {
        int begin = text.FindIndex(at, value => char.IsAsciiDigit((char)value));
        if (begin < 0) return;
        int end = begin;
        while (end < text.Count && char.IsAsciiDigit((char)text[end])) end++;
        text.RemoveRange(begin, end - begin);
        string number = random.Next(2) == 0
            ? random.Next(200).ToString(CultureInfo.InvariantCulture)
            : Numbers[random.Next(Numbers.Length)];
        text.InsertRange(begin, Encoding.ASCII.GetBytes(number));
    }
}
