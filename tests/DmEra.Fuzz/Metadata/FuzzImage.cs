using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Target.History;
using DmEra.Tools.Check;

namespace DmEra.Fuzz.Metadata;

/// <summary>Whole metadata, to be damaged, with what it says while it is whole.</summary>
internal sealed class FuzzImage
{
    private const uint MostBlocksOfSmallOnes = 10_000;

    private readonly Dictionary<uint, WrittenBlocks> _live;
    private readonly Dictionary<uint, WrittenBlocks> _snapshot = [];

    public FuzzImage(string name, byte[] bytes)
    {
        Name = name;
        Bytes = bytes;
        MemoryBlockDevice device = new(bytes);
        CheckReport report = MetadataChecker.Check(device);
        if (report.Faults.Count > 0) throw new FuzzException($"{name} is damaged to begin with: {report.Faults[0]}");
        using EraHistory history = EraHistory.Open(device);
        IsSmall = history.NrBlocks <= MostBlocksOfSmallOnes;
        Eras = [.. new uint[] { 1, (history.CurrentEra / 2) + 1, history.CurrentEra }.Distinct()];
        _live = Eras.ToDictionary(era => era, era => WrittenBlocks.Read(history, era));
        using EraHistory? snapshot = EraHistory.OpenSnapshot(device);
        if (snapshot is not null) _snapshot = Eras.ToDictionary(era => era, era => WrittenBlocks.Read(snapshot, era));
        InUse = [.. BlocksInUse(device)];
    }

    public string Name { get; }

    /// <summary>The metadata device.</summary>
    public byte[] Bytes { get; }

    /// <summary>True when it makes little text.</summary>
    public bool IsSmall { get; }

    /// <summary>Eras to ask for.</summary>
    public IReadOnlyList<uint> Eras { get; }

    /// <summary>The blocks that anything leads to.</summary>
    public IReadOnlyList<ulong> InUse { get; }

    /// <summary>What was written in an era or later.</summary>
    public WrittenBlocks Live(uint since) => _live[since];

    /// <summary>The same as of the metadata snapshot.</summary>
    public WrittenBlocks Snapshot(uint since) => _snapshot[since];

    // A flip in a block that is in use is found, in others it is not.
    private static IEnumerable<ulong> BlocksInUse(MemoryBlockDevice device)
    {
        byte[] image = device.ToArray();
        for (ulong block = 0; block < (ulong)image.Length / BlockManager.BlockSize; block++)
        {
            if (!image.AsSpan((int)block * BlockManager.BlockSize, BlockManager.BlockSize).ContainsAnyExcept((byte)0)) continue;
            MutatedImage mutated = new(image);
            mutated.Change(block)[100] ^= 1;
            if (MetadataChecker.Check(mutated).Faults.Count > 0) yield return block;
        }
    }
}
