using DmEra.Fuzz.Content;
using DmEra.Tests;

namespace DmEra.EndToEnd.Kernel.SharedLeaves;

/// <summary>A metadata file made by hand, with what it must say of when each block was last written.</summary>
internal sealed class HandmadeMetadata
{
    private const uint MostBlocksForEraCheck = 1 << 27;     // version 0.9.0 looks at each: for 2^31 it takes minutes

    private EraRuns _expected;

    /// <summary>Makes the file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="content">What it says at first.</param>
    /// <param name="isShared">One block for all that are equal.</param>
    /// <param name="spareBlocks">Metadata blocks that are free.</param>
    public HandmadeMetadata(string path, EraContent content, bool isShared, ulong spareBlocks = 2000)
    {
        Path = ContentWriter.Write(content, isShared, spareBlocks, EraRun.BlockSectors).Save(path);
        _expected = content.LastWritten();
        Log.GoOnFrom(content.CurrentEra, content.NrBlocks);
        if (isShared) Assert.InRange(AssertIsWhole("as made").MostReferences, 3u, uint.MaxValue);
        else AssertIsWhole("as made");
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Its name, which is also the guest's for the disk.</summary>
    public string Name => System.IO.Path.GetFileName(Path);

    /// <summary>What was written since.</summary>
    public WriteLog Log { get; } = new();

    /// <summary>Notes that the device changes its length, before it does: blocks that are cut off were never written. What new ones
    /// count as, whoever makes the device longer tells the log.</summary>
    public void Resize(uint nrBlocks)
    {
        Settle();
        _expected = new EraRuns(_expected, nrBlocks);
    }

    /// <summary>Fails unless the metadata is sound, to the last reference, and says of every block when it was last written.</summary>
    public ContentReader AssertIsWhole(string when)
    {
        ContentReader reader = Read(when);
        Settle();
        Assert.Equal((when, Log.Era), (when, reader.Content.CurrentEra));
        Assert.Equal(_expected.Runs, reader.Content.LastWritten().Runs);
        if (reader.Content.NrBlocks <= MostBlocksForEraCheck) Oracle.EraCheck(Path);
        return reader;
    }

    private ContentReader Read(string when)
    {
        try { return ContentReader.Read(Path); }
        catch (InvalidDataException fault) { throw new InvalidDataException($"{Name}, {when}: {fault.Message}", fault); }
    }

    private void Settle()
    {
        foreach ((uint block, uint era) in Log.Entries) _expected.Set(block, block + 1, Math.Max(era, _expected[block]));
    }
}
