using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Bitsets;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Reading;
using DmEra.Target.History;

namespace DmEra.Tools.Check;

/// <summary>Looks into array blocks: the bulk of all metadata. Each thread has one.</summary>
internal sealed class ArrayBlockInspector(MetadataReader reader, BlockLedger ledger)
{
    /// <summary>What was found, in the order of the blocks.</summary>
    public FaultLog Faults { get; } = new();

    /// <summary>Looks into blocks; fast where they lie in a row.</summary>
    public void Inspect(ReadOnlySpan<ArrayBlockRef> blocks)
    {
        Le64[] addresses = new Le64[blocks.Length];
        for (int i = 0; i < blocks.Length; i++) addresses[i] = blocks[i].Address;
        for (int i = 0; i < blocks.Length; i++)
        {
            try
            {
                Inspect(blocks[i], reader.Read(addresses.AsSpan(i), ArrayBlockValidator.Instance).Span);
            }
            catch (Exception fault) when (fault is MetadataCorruptException or DeviceException)
            {
                Lose(blocks[i], FaultLog.CauseOf(fault));
            }
        }
    }

    private void Inspect(ArrayBlockRef block, ReadOnlySpan<byte> bytes)
    {
        WalkedArray array = block.Array;
        int needed = array.ValuesIn(block.Begin);       // of all entries the first needs most
        if (ArrayBlockHeader.WhyUnfit(bytes, array.ValueSize, (ulong)needed) is string cause) Lose(block, cause);
        else if (array is WalkedEraArray) InspectEras(block, MemoryMarshal.Cast<byte, uint>(bytes[ArrayBlockHeader.Size..])[..needed]);
        else InspectBits(block, MemoryMarshal.Cast<byte, ulong>(bytes[ArrayBlockHeader.Size..]));
    }

    private void InspectEras(ArrayBlockRef block, ReadOnlySpan<uint> eras)
    {
        uint latest = block.Array.LatestEra;
        if (!BlockBits.AnyAbove(eras, latest)) return;
        uint first = (uint)(block.Begin * block.Array.OriginBlocksPerBlock);
        for (int i = 0; i < eras.Length; i++)
        {
            if (eras[i] <= latest) continue;
            string cause = $"era {eras[i]}, but the current one is {latest}";
            if (block.Count > 1)
            {
                Lose(block, cause);     // all that name it: of each of its values there are many
                return;
            }

            BlockRange blocks = new(first + (uint)i, first + (uint)i + 1);
            Faults.Add(block.Array.Doubting(cause, ledger.PathTo(block.Address), blocks));
        }
    }

    private void InspectBits(ArrayBlockRef block, ReadOnlySpan<ulong> words)
    {
        int beyond = (int)(block.Array.NrBlocks % 64);
        if (block.End != block.Array.BlockCount || beyond == 0) return;
        if (words[block.Array.ValuesIn(block.End - 1) - 1] >> beyond == 0) return;
        string cause = "bits behind the end of the bitset are set";
        Faults.Add(block.Array.Harmless(FaultLevel.Cosmetic, cause, ledger.PathTo(block.Address)));
    }

    private void Lose(ArrayBlockRef block, string cause) =>
        Faults.Add(block.Array.Hiding(cause, ledger.PathTo(block.Address), block.Begin, block.End));
}
