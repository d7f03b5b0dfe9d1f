using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Bitsets;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Building;
using DmEra.Tools.Writing;

namespace DmEra.Tools.Restore;

/// <summary>
/// Makes metadata of XML. Nothing is written before the XML has said what it is about; from then on until the last
/// write the output is plainly no metadata. Of memory it takes one bit for each origin block.
/// </summary>
public static class MetadataRestorer
{
    /// <summary>Reads the XML to its end and writes the metadata it stands for.</summary>
    /// <param name="input">The XML.</param>
    /// <param name="output">The metadata device; a file that is too short is extended.</param>
    /// <exception cref="EraXmlException">The XML is malformed, cut short, or contradicts itself.</exception>
    /// <exception cref="MetadataFullException">The output is too small.</exception>
    /// <exception cref="DeviceException">The output failed.</exception>
    public static void Restore(Stream input, IBlockDevice output)
    {
        EraXmlReader xml = new(input);
        xml.Read();
        EraGeometry geometry = xml.Geometry;
        RequireSense(xml, geometry);
        MetadataBuilder builder = MetadataBuilder.Create(output, geometry);
        RestoreElements(xml, builder, geometry);
        builder.Commit();
    }

    private static void RestoreElements(EraXmlReader xml, MetadataBuilder builder, EraGeometry geometry)
    {
        HashSet<uint> eras = [];
        bool hasEraArray = false;
        while (xml.Read() is EraXmlItem item)
        {
            if (item == EraXmlItem.Writeset)
            {
                if (xml.Era > geometry.CurrentEra) throw AboveCurrent(xml, geometry);
                if (!eras.Add(xml.Era)) throw xml.Fault($"a second writeset of era {xml.Era}");
                RestoreMarks(xml, builder.BeginWriteset(xml.Era, xml.NrBits), xml.NrBits);
            }
            else if (item == EraXmlItem.EraArray)
            {
                if (hasEraArray) throw xml.Fault("a second era array");
                hasEraArray = true;
                RestoreEras(xml, builder.EraArray, geometry);
            }
        }
    }

    // These loops are compiled once and for all: they run too few times, however long, for the runtime to do it again.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RestoreMarks(EraXmlReader xml, ArrayBuilder<Le64> words, uint nrBits)
    {
        SeenBlocks seen = new(nrBits);
        while (xml.Read() == EraXmlItem.Marks)
        {
            ulong end = xml.Block + (ulong)xml.Count;
            if (end > nrBits) throw xml.Fault($"block {end - 1} in a writeset of {nrBits} bits");
            if (!seen.TryAdd(xml.Block, xml.Count)) throw GivenTwice(xml);
            if (xml.IsMarked) SetBits(words, xml.Block, end);
        }
    }

    private static void SetBits(ArrayBuilder<Le64> words, ulong begin, ulong end)
    {
        while (begin < end)
        {
            (ulong block, ulong first) = Math.DivRem(begin, PersistentBitset.BitsPerBlock);
            ulong count = Math.Min(end - begin, PersistentBitset.BitsPerBlock - first);
            BlockBits.SetRun(MemoryMarshal.Cast<Le64, ulong>(words.Block(block)), (int)first, (int)(first + count));
            begin += count;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RestoreEras(EraXmlReader xml, ArrayBuilder<Le32> eras, EraGeometry geometry)
    {
        uint perBlock = (uint)ArrayShape.ValuesPerBlock<Le32>();
        SeenBlocks seen = new(geometry.NrBlocks);
        while (xml.Read() == EraXmlItem.Era)
        {
            uint block = xml.Block;
            if (block >= geometry.NrBlocks) throw xml.Fault($"block {block} of an origin of {geometry.NrBlocks} blocks");
            if (xml.Era > geometry.CurrentEra) throw AboveCurrent(xml, geometry);
            if (!seen.TryAdd(block, 1)) throw GivenTwice(xml);
            eras.Block(block / perBlock)[(int)(block % perBlock)] = xml.Era;
        }
    }

    private static void RequireSense(EraXmlReader xml, EraGeometry geometry)
    {
        if (!EraGeometry.IsPossibleBlockSize(geometry.DataBlockSize))
            throw xml.Fault($"block_size {geometry.DataBlockSize} is not a multiple of 8 sectors");
        if (geometry.NrBlocks > int.MaxValue)
            throw xml.Fault($"nr_blocks {geometry.NrBlocks} is more than the {int.MaxValue} that a device can have");
    }

    private static EraXmlException AboveCurrent(EraXmlReader xml, EraGeometry geometry) =>
        xml.Fault($"era {xml.Era} is later than the current era {geometry.CurrentEra}");

    private static EraXmlException GivenTwice(EraXmlReader xml) => xml.Fault($"block {xml.Block} is given twice");
}
