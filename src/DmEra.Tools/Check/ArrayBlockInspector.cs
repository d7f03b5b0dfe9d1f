using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;
using DmEra.Target.History;

namespace DmEra.Tools.Check;

/// <summary>Looks into array blocks: the bulk of all metadata. Each thread has one.</summary>
internal sealed class ArrayBlockInspector(MetadataReader reader, BlockLedger ledger)
{
    private readonly ulong[] _addresses = new ulong[MetadataReader.MaxRun];

    /// <summary>What was found, in the order of the blocks.</summary>
    public List<Fault> Faults { get; } = [];

    /// <summary>Looks into blocks; fast where they lie in a row.</summary>
    public void Inspect(ReadOnlySpan<ArrayBlockRef> blocks)
    {
        for (int begin = 0; begin < blocks.Length; begin += MetadataReader.MaxRun)
        {
            ReadOnlySpan<ArrayBlockRef> run = blocks[begin..Math.Min(begin + MetadataReader.MaxRun, blocks.Length)];
            for (int i = 0; i < run.Length; i++) _addresses[i] = run[i].Address;
            if (TryRead(_addresses.AsSpan(0, run.Length), out ReadOnlySpan<byte> bytes, out _))
                Inspect(run, bytes);
            else
                InspectOneByOne(run);
        }
    }

    private void Inspect(ReadOnlySpan<ArrayBlockRef> blocks, ReadOnlySpan<byte> bytes)
    {
        for (int i = 0; i < blocks.Length; i++)
            Inspect(blocks[i], bytes.Slice(i * MetadataReader.BlockSize, MetadataReader.BlockSize));
    }

    private void InspectOneByOne(ReadOnlySpan<ArrayBlockRef> blocks)
    {
        foreach (ArrayBlockRef block in blocks)
        {
            _addresses[0] = block.Address;
            if (TryRead(_addresses.AsSpan(0, 1), out ReadOnlySpan<byte> bytes, out string? cause))
                Inspect(block, bytes);
            else
                Lose(block, cause!);
        }
    }

    private bool TryRead(ReadOnlySpan<ulong> addresses, out ReadOnlySpan<byte> bytes, out string? cause)
    {
        try
        {
            bytes = reader.Read(addresses, ArrayBlockValidator.Instance);
            cause = null;
            return true;
        }
        catch (Exception fault) when (fault is MetadataCorruptException or DeviceException)
        {
            bytes = default;
            cause = FaultLog.CauseOf(fault);
            return false;
        }
    }

    private void Inspect(ArrayBlockRef block, ReadOnlySpan<byte> bytes)
    {
        WalkedArray array = block.Array;
        ref readonly ArrayBlockHeader header = ref MemoryMarshal.AsRef<ArrayBlockHeader>(bytes);
        ReadOnlySpan<byte> body = bytes[Unsafe.SizeOf<ArrayBlockHeader>()..];
        int capacity = body.Length / array.ValueSize;
        int needed = array.ValuesIn(block.Index);
        if (header.ValueSize != array.ValueSize || header.MaxEntries != capacity)
            Lose(block, $"array block: room for {header.MaxEntries} values of {header.ValueSize} bytes");
        else if (header.NrEntries < needed)
            Lose(block, $"array block: {header.NrEntries} entries, not {needed}");
        else if (array is WalkedEraArray)
            InspectEras(block, MemoryMarshal.Cast<byte, uint>(body)[..needed]);
        else
            InspectBits(block, MemoryMarshal.Cast<byte, ulong>(body)[..needed]);
    }

    private void InspectEras(ArrayBlockRef block, ReadOnlySpan<uint> eras)
    {
        uint latest = block.Array.LatestEra;
        if (!BlockBits.AnyAbove(eras, latest)) return;
        uint first = (uint)(block.Index * block.Array.OriginBlocksPerBlock);
        for (int i = 0; i < eras.Length; i++)
        {
            if (eras[i] <= latest) continue;
            BlockRange blocks = new(first + (uint)i, first + (uint)i + 1);
            string cause = $"era {eras[i]}, but the current one is {latest}";
            Faults.Add(block.Array.Doubting(cause, ledger.PathTo(block.Address), blocks));
        }
    }

    private void InspectBits(ArrayBlockRef block, ReadOnlySpan<ulong> words)
    {
        int beyond = (int)(block.Array.NrBlocks % 64);
        if (block.Index + 1 != block.Array.BlockCount || beyond == 0 || words[^1] >> beyond == 0) return;
        string cause = "bits behind the end of the bitset are set";
        Faults.Add(block.Array.Harmless(FaultLevel.Cosmetic, cause, ledger.PathTo(block.Address)));
    }

    private void Lose(ArrayBlockRef block, string cause) =>
        Faults.Add(block.Array.Hiding(cause, ledger.PathTo(block.Address), block.Index, block.Index + 1));
}
