using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Bitsets;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Reading;
using DmEra.Target.History;
using DmEra.Target.Metadata;
using DmEra.Tools.Writing;

namespace DmEra.Tools.Dump;

/// <summary>Writes whole metadata as XML. An open era comes out as a writeset like any other, so that what is restored
/// from the XML knows of its writes.</summary>
public static class MetadataDumper
{
    // Origin blocks at a time: whole blocks of bitsets and of the era array.
    private const int WindowBlocks = 8 * (int)PersistentBitset.BitsPerBlock;

    /// <summary>Writes writesets and era array as they are.</summary>
    /// <exception cref="MetadataCorruptException">A piece is damaged: the XML breaks off.</exception>
    /// <exception cref="DeviceException">The metadata device failed.</exception>
    public static void Dump(IBlockDevice metadata, Stream output, MarkStyle style)
    {
        (MetadataReader reader, CommittedState state) = Open(metadata);
        EraXmlWriter xml = new(output, style);
        xml.Begin(new EraGeometry(state.DataBlockSize, state.NrBlocks, state.CurrentEra));
        ArrayWalk<Le64> words = new(reader);
        foreach (WritesetRef writeset in state.Writesets)
        {
            xml.BeginWriteset(writeset.Era, writeset.NrBits);
            DumpMarks(words, writeset, xml);
            xml.EndWriteset();
        }

        xml.BeginEraArray();
        ArrayWalk<Le32> eras = new(reader);
        eras.TurnTo(state.EraArray, 0, state.NrBlocks);
        while (eras.MoveNext())
        {
            if (eras.Fault is not null) ExceptionDispatchInfo.Throw(eras.Fault);
            for (ulong at = eras.Begin; at < eras.End;)
            {
                ReadOnlySpan<Le32> values = eras.ValuesFrom(at);
                xml.Eras((uint)at, MemoryMarshal.Cast<Le32, uint>(values));
                at += (ulong)values.Length;
            }
        }

        xml.EndEraArray();
        xml.End();
    }

    /// <summary>Writes an era array alone, which has for each block the era of its last write.</summary>
    /// <exception cref="MetadataCorruptException">A piece is damaged: the XML breaks off.</exception>
    /// <exception cref="DeviceException">The metadata device failed.</exception>
    public static void DumpLogical(IBlockDevice metadata, Stream output)
    {
        (MetadataReader reader, CommittedState state) = Open(metadata);
        EraGeometry geometry = new(state.DataBlockSize, state.NrBlocks, state.CurrentEra);
        DumpLogical(geometry, new WindowReader(reader, state), output);
    }

    internal static void DumpLogical(EraGeometry geometry, WindowReader window, Stream output)
    {
        EraXmlWriter xml = new(output, MarkStyle.Bits);
        xml.Begin(geometry);
        xml.BeginEraArray();
        uint[] buffer = new uint[WindowBlocks];
        for (ulong first = 0; first < geometry.NrBlocks; first += WindowBlocks)
        {
            Span<uint> eras = buffer.AsSpan(0, (int)Math.Min(WindowBlocks, geometry.NrBlocks - first));
            window.ReadEras((uint)first, eras);
            xml.Eras((uint)first, eras);
        }

        xml.EndEraArray();
        xml.End();
    }

    private static (MetadataReader Reader, CommittedState State) Open(IBlockDevice metadata)
    {
        MetadataReader reader = new(metadata);
        Superblock superblock = CommittedState.ReadSuperblock(reader, Superblock.Location);
        return (reader, CommittedState.Read(reader, superblock));
    }

    private static void DumpMarks(ArrayWalk<Le64> words, WritesetRef writeset, EraXmlWriter xml)
    {
        words.TurnTo(writeset.Words, 0, writeset.Words.Length);
        while (words.MoveNext())
        {
            if (words.Fault is not null) ExceptionDispatchInfo.Throw(words.Fault);
            for (ulong at = words.Begin; at < words.End;)
            {
                foreach (Le64 word in words.ValuesFrom(at))
                {
                    ulong firstBlock = at++ * 64;
                    xml.Marks(word, (uint)firstBlock, (int)Math.Min(64, writeset.NrBits - firstBlock));
                }
            }
        }
    }
}
