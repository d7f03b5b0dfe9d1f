namespace DmEra.Fuzz.Content;

/// <summary>What era metadata may say of which many blocks of arrays are equal, so that few need be there.</summary>
internal static class EqualLeaves
{
    private const uint BlocksPerEraLeaf = 1018;
    private const uint BlocksPerBitLeaf = 32576;
    private const uint NrBlocks = (3 * BlocksPerBitLeaf) + 2300;    // three whole leaves of bits and a part of one
    private const uint WholeLeaves = 3 * BlocksPerBitLeaf;          // which is 96 whole leaves of eras, too

    private static readonly Dictionary<string, Func<EraContent>> Contents = new(StringComparer.Ordinal)
    {
        ["an empty open era"] = () => new EraContent(7, Eras(NrBlocks)) { Open = new EraRuns(NrBlocks) },
        ["an open era with marks"] = () => new EraContent(7, Eras(NrBlocks, (5000, 5003, 3))) { Open = Marks(NrBlocks) },
        ["an open era with every block marked"] = () => new EraContent(7, Eras(NrBlocks, (0, 50_000, 6)))
        {
            Open = Eras(NrBlocks, (0, NrBlocks, 1)),
        },
        ["archived writesets"] = () => new EraContent(9, Eras(NrBlocks, (0, NrBlocks, 2), (70_000, 70_500, 5)))
        {
            Archived = new()
            {
                [6] = new EraRuns(NrBlocks),
                [7] = Marks(NrBlocks),
                [8] = Eras(NrBlocks, (0, NrBlocks, 1)),
                [9] = Eras(70_000, (100, 101, 1)),
            },
        },
        ["whole leaves only"] = () => new EraContent(4, Eras(WholeLeaves, (0, 4 * BlocksPerEraLeaf, 3)))
        {
            Open = Eras(WholeLeaves, (BlocksPerBitLeaf, 3 * BlocksPerBitLeaf, 1)),
        },
        ["an index of two levels"] = () => OfLength(300_000),
        ["a metadata snapshot"] = Snapshot,
    };

    /// <summary>Their names.</summary>
    public static IEnumerable<string> Names => Contents.Keys;

    /// <summary>What the name says, of some 100 000 blocks.</summary>
    public static EraContent Get(string name) => Contents[name]();

    /// <summary>A device of any length in the midst of an era, with little written.</summary>
    public static EraContent OfLength(uint nrBlocks) => new(7, Eras(nrBlocks, (nrBlocks / 2, (nrBlocks / 2) + 5000, 5)))
    {
        Archived = new() { [6] = Eras(nrBlocks, (nrBlocks / 3, (nrBlocks / 3) + 5, 1)) },
        Open = Marks(nrBlocks),
    };

    private static EraRuns Eras(uint nrBlocks, params (uint Begin, uint End, uint Era)[] written)
    {
        EraRuns eras = new(nrBlocks);
        foreach ((uint begin, uint end, uint era) in written) eras.Set(begin, end, era);
        return eras;
    }

    // Full leaves if there is room for them, and a few single blocks.
    private static EraRuns Marks(uint nrBlocks) =>
        Eras(nrBlocks, (3, 4, 1), (BlocksPerBitLeaf, 3 * BlocksPerBitLeaf, 1), (nrBlocks - 2, nrBlocks, 1));

    // Taken in era 6. The era array of that moment is still that of the live state.
    private static EraContent Snapshot()
    {
        EraContent held = new(6, Eras(NrBlocks, (0, 50_000, 2))) { Archived = new() { [5] = Marks(NrBlocks) } };
        return new EraContent(8, held.EraArray)
        {
            Archived = new() { [5] = held.Archived[5], [6] = new EraRuns(NrBlocks), [7] = Marks(NrBlocks).Set(5000, 70_000, 1) },
            Open = new EraRuns(NrBlocks),
            Snapshot = held,
        };
    }
}
