using System.Text;
using System.Xml;
using System.Xml.Linq;
using DmEra.Devices;
using DmEra.Fuzz.Metadata;
using DmEra.PersistentData.Blocks;
using DmEra.Target.History;
using DmEra.Tools.Check;
using DmEra.Tools.Dump;
using DmEra.Tools.Restore;

namespace DmEra.Fuzz.Xml;

/// <summary>One spoilt document. What is restored from it must be whole, and what another parser reads in it; when it is
/// refused, the output is no metadata.</summary>
internal static class XmlCase
{
    private static readonly byte[][] Documents = [.. FuzzImages.All.Where(image => image.Name is "fresh" or "many" or "formatted").SelectMany(Dump)];

    /// <summary>Makes a case and tries it.</summary>
    /// <exception cref="FuzzException">Restore did what it must not.</exception>
    public static void Run(Random random, Coverage coverage)
    {
        byte[] xml = new XmlMutator(random).Mutate(Documents[random.Next(Documents.Length)]);
        try
        {
            Try(xml, coverage);
            if (random.Next(256) == 0) CommandLine.TryXml(xml);
        }
        catch (Exception fault)
        {
            throw new FuzzException($"{fault.Message}, of the XML\n{Encoding.Latin1.GetString(xml)}", fault);
        }
    }

    private static void Try(byte[] xml, Coverage coverage)
    {
        using FixedDevice output = new();
        try
        {
            MetadataRestorer.Restore(new MemoryStream(xml), output);
        }
        catch (Exception fault) when (fault is EraXmlException or MetadataFullException)
        {
            byte[] superblock = new byte[BlockManager.BlockSize];
            output.Read(0, superblock);
            if (superblock.AsSpan().ContainsAnyExcept((byte)0)) throw new FuzzException("what was refused has left a superblock");
            coverage.Count(output.IsTouched ? "XML: refused on the way" : "XML: refused untouched");
            return;
        }

        if (MetadataChecker.Check(output).Faults is [Fault first, ..]) throw new FuzzException($"restore made damaged metadata: {first}");
        coverage.Count(TryReadOtherwise(xml, out XElement? document) ? "XML: restored" : "XML: restored, though another parser refuses");
        if (document is not null) Compare(document, output);
    }

    private static bool TryReadOtherwise(byte[] xml, out XElement? superblock)
    {
        try
        {
            superblock = XElement.Load(new MemoryStream(xml));
            return true;
        }
        catch (XmlException)
        {
            superblock = null;
            return false;
        }
    }

    private static void Compare(XElement superblock, IBlockDevice output)
    {
        using EraHistory history = EraHistory.Open(output);
        Require(Number(superblock, "nr_blocks") == history.NrBlocks, "the number of blocks");
        Require(Number(superblock, "current_era") == history.CurrentEra, "the current era");
        Require(Number(superblock, "block_size") == history.DataBlockSize, "the block size");
        uint[] read = new uint[history.NrBlocks], right = new uint[history.NrBlocks];
        history.ReadEras(0, read);
        foreach (XElement era in superblock.Elements("era_array").Elements())
            right[Number(era, "block")] = Math.Max(right[Number(era, "block")], Number(era, "era"));
        foreach (XElement writeset in superblock.Elements("writeset")) Mark(writeset, right);
        Require(read.AsSpan().SequenceEqual(right), "the eras");
    }

    private static void Mark(XElement writeset, uint[] eras)
    {
        foreach (XElement marks in writeset.Elements().Where(marks => marks.Attribute("value")?.Value != "false"))
        {
            bool isRun = marks.Name == "marked";
            ulong begin = Number(marks, isRun ? "block_begin" : "block"), count = isRun ? Number(marks, "len") : 1;
            for (ulong block = begin; block < begin + count && block < (ulong)eras.Length; block++)
                eras[block] = Math.Max(eras[block], Number(writeset, "era"));
        }
    }

    private static uint Number(XElement element, string attribute) => uint.Parse(element.Attribute(attribute)!.Value);

    private static void Require(bool isRight, string what)
    {
        if (!isRight) throw new FuzzException($"restore reads {what} differently from another parser");
    }

    private static IEnumerable<byte[]> Dump(FuzzImage image)
    {
        foreach (MarkStyle style in Enum.GetValues<MarkStyle>())
        {
            if (image.Name == "many" && style == MarkStyle.Bits) continue;
            using MemoryStream xml = new();
            MetadataDumper.Dump(new MemoryBlockDevice(image.Bytes), xml, style);
            yield return xml.ToArray();
        }
    }
}
