namespace DmEra.Fuzz.Content;

/// <summary>What era metadata says, without how it says it.</summary>
/// <param name="CurrentEra">The era that runs, or ran last.</param>
/// <param name="EraArray">What is digested.</param>
internal sealed record EraContent(uint CurrentEra, EraRuns EraArray)
{
    /// <summary>Blocks of the device.</summary>
    public uint NrBlocks => EraArray.Length;

    /// <summary>The writesets that wait for digestion, by their eras: a block is 1 when it is marked.</summary>
    public SortedDictionary<uint, EraRuns> Archived { get; init; } = [];

    /// <summary>The writeset of the current era, when that was not archived.</summary>
    public EraRuns? Open { get; init; }

    /// <summary>The metadata snapshot, if there is one.</summary>
    public EraContent? Snapshot { get; init; }

    /// <summary>The era in which each block was last written.</summary>
    public EraRuns LastWritten()
    {
        EraRuns eras = new(EraArray, NrBlocks);
        foreach ((uint era, EraRuns marked) in Archived) Mark(era, marked);
        if (Open is not null) Mark(CurrentEra, Open);
        return eras;

        void Mark(uint era, EraRuns marked)
        {
            foreach ((uint begin, uint end, _) in marked.Runs) eras.Set(begin, end, era);
        }
    }
}
