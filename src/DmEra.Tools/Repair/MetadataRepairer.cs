using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Building;
using DmEra.Tools.Dump;
using DmEra.Tools.Writing;

namespace DmEra.Tools.Repair;

/// <summary>
/// Makes whole metadata of damaged. The writesets come out digested: the new era array has the era of each block's last
/// write, so what was written since any era is the same list as before. A metadata snapshot is not taken along.
/// </summary>
public static class MetadataRepairer
{
    /// <summary>Writes new metadata.</summary>
    /// <param name="damaged">The metadata, in whatever state.</param>
    /// <param name="output">Another device; a file that is too short is extended.</param>
    /// <param name="hint">What is known in case the superblock cannot be read.</param>
    /// <exception cref="UnsalvageableException">More must be known.</exception>
    /// <exception cref="MetadataFullException">The output is too small.</exception>
    /// <exception cref="DeviceException">The output failed.</exception>
    public static RepairReport Repair(IBlockDevice damaged, IBlockDevice output, GeometryHint hint)
    {
        Salvage salvage = Salvage.Open(damaged, hint);
        MetadataBuilder builder = MetadataBuilder.Create(output, salvage.Geometry);
        SalvageReader.ForEachWindow(salvage, (first, eras) => Fill(builder.EraArray, first, eras));
        builder.Commit();
        return salvage.Report;
    }

    /// <summary>Writes what a repair would save as XML: the metadata as it is if all of it can be read, otherwise the era
    /// array that a repair would make.</summary>
    /// <exception cref="UnsalvageableException">More must be known.</exception>
    public static RepairReport Dump(IBlockDevice damaged, Stream output, MarkStyle style, bool isLogical)
    {
        GeometryHint nothing = new(null, null, null);
        Salvage rehearsal = Salvage.Open(damaged, nothing);
        SalvageReader.ForEachWindow(rehearsal, static (_, _) => { });
        if (rehearsal.IsWhole && !isLogical)
        {
            MetadataDumper.Dump(damaged, output, style);
            return rehearsal.Report;
        }

        EraXmlWriter xml = new(output, style);
        xml.Begin(rehearsal.Geometry);
        xml.BeginEraArray();
        SalvageReader.ForEachWindow(Salvage.Open(damaged, nothing), xml.Eras);
        xml.EndEraArray();
        xml.End();
        return rehearsal.Report;
    }

    private static void Fill(ArrayBuilder<Le32> eraArray, uint first, ReadOnlySpan<uint> eras)
    {
        ulong index = first / (uint)ArrayShape.ValuesPerBlock<Le32>();
        while (!eras.IsEmpty)
        {
            Span<uint> block = MemoryMarshal.Cast<Le32, uint>(eraArray.Block(index++));
            eras[..block.Length].CopyTo(block);
            eras = eras[block.Length..];
        }
    }
}
