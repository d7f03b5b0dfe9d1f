using DmEra.Devices;
using DmEra.PersistentData.Bitsets;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Reading;
using DmEra.Target.History;
using DmEra.Target.Metadata;
using DmEra.Tools.Check;
using DmEra.Tools.Writing;

namespace DmEra.Tools.Repair;

/// <summary>
/// Reads the era of each block's last write from metadata in whatever state. What a piece that cannot be read told of
/// is taken as written in the current era: a list of changes may then name blocks too many, never one too few.
/// </summary>
internal sealed class Salvage
{
    /// <summary>Origin blocks that are best read at a time: whole blocks of bitsets and of the era array.</summary>
    public const int WindowBlocks = 8 * (int)PersistentBitset.BitsPerBlock;

    // What mentioned the latest eras may be lost like the superblock, and an era without writes is soon mentioned nowhere.
    // Too late an era does no harm; one too early would have lists of changes from the eras left out be empty.
    private const ulong ErasUnmentioned = 1_000_000;

    private readonly LossLog _losses = new();
    private readonly List<BlockRange> _lostInWindow = [];
    private readonly WindowReader? _window;     // null when all of the history is lost
    private ulong _blocksAssumedWritten;

    private Salvage(EraGeometry geometry, string superblockFault)
    {
        Geometry = geometry;
        _losses.Add("superblock", superblockFault, [Superblock.Location], new BlockRange(0, geometry.NrBlocks));
    }

    private Salvage(MetadataReader reader, Superblock superblock)
    {
        Geometry = new EraGeometry(superblock.DataBlockSize, superblock.NrBlocks, superblock.CurrentEra);
        CommittedState state = CommittedState.Read(reader, superblock, _losses.Add);
        if (IsWhole) _window = new WindowReader(reader, state, Lose);
        HashSet<uint> eras = [];
        foreach (uint era in state.Writesets.Select(writeset => writeset.Era))
        {
            // Their marks count, but such writesets cannot be kept as they are.
            string place = $"writeset of era {era}";
            if (era > Geometry.CurrentEra) _losses.Add(place, Later(era), [Superblock.Location], default);
            if (!eras.Add(era)) _losses.Add(place, "archived, and open at the same time", [Superblock.Location], default);
        }
    }

    /// <summary>What is known of the device.</summary>
    public EraGeometry Geometry { get; }

    /// <summary>True when nothing was lost in what has been read so far.</summary>
    public bool IsWhole => _losses.Count == 0;

    /// <summary>What was lost in what has been read so far.</summary>
    public RepairReport Report => new(Geometry, _losses.Kept, _losses.Count, _blocksAssumedWritten);

    /// <summary>Finds out what there is to save.</summary>
    /// <exception cref="UnsalvageableException">There is no superblock, and the hint does not make up for it; or there
    /// is one that contradicts the hint.</exception>
    public static Salvage Open(IBlockDevice metadata, GeometryHint hint)
    {
        MetadataReader reader = new(metadata);
        try
        {
            Superblock superblock = CommittedState.ReadSuperblock(reader, Superblock.Location);
            RequireSense(superblock);
            RequireAgreement(superblock, hint);
            return new Salvage(reader, superblock);
        }
        catch (Exception fault) when (fault is MetadataCorruptException or DeviceException)
        {
            string cause = FaultLog.CauseOf(fault);
            return new Salvage(FindGeometry(metadata, hint, cause), cause);
        }
    }

    /// <summary>Reads eras; 0 = never written.</summary>
    /// <param name="first">First block, a multiple of 64. Windows are to be read in ascending order, each once.</param>
    /// <param name="eras">Receives the eras.</param>
    public void ReadEras(uint first, Span<uint> eras)
    {
        if (_window is null)
        {
            eras.Fill(Geometry.CurrentEra);
            _blocksAssumedWritten += (ulong)eras.Length;
            return;
        }

        _lostInWindow.Clear();
        _window.ReadEras(first, eras);
        if (BlockBits.AnyAbove(eras, Geometry.CurrentEra)) LowerToCurrent(first, eras);
        if (_lostInWindow.Count > 0) _blocksAssumedWritten += CountOfUnion(_lostInWindow);
    }

    private static void RequireAgreement(Superblock superblock, GeometryHint hint)
    {
        Require("--block-size", hint.DataBlockSize, superblock.DataBlockSize);
        Require("--nr-blocks", hint.NrBlocks, superblock.NrBlocks);
        Require("--current-era", hint.CurrentEra, superblock.CurrentEra);

        static void Require(string option, uint? given, uint found)
        {
            if (given is not null && given != found)
                throw new UnsalvageableException($"the superblock is whole and says {found}: leave out {option} {given}");
        }
    }

    // It was sealed like that: nothing in it is to be believed.
    private static void RequireSense(Superblock superblock)
    {
        if (EraGeometry.IsPossibleBlockSize(superblock.DataBlockSize)) return;
        string cause = $"superblock has a data block size of {superblock.DataBlockSize} sectors";
        throw new MetadataCorruptException(Superblock.Location, cause, MetadataCorruption.Damaged);
    }

    private static EraGeometry FindGeometry(IBlockDevice metadata, GeometryHint hint, string cause)
    {
        if (hint is { DataBlockSize: uint size, NrBlocks: uint blocks, CurrentEra: uint era })
            return new EraGeometry(size, blocks, era);

        SuperblockSearch search = SuperblockSearch.Run(metadata);
        uint? foundSize = hint.DataBlockSize ?? search.Latest?.DataBlockSize.Value;
        uint? foundBlocks = hint.NrBlocks ?? search.Latest?.NrBlocks.Value;
        if (foundSize is null || foundBlocks is null)
        {
            throw new UnsalvageableException(
                $"{cause}, and no metadata snapshot was found: give 'era repair' --block-size, --nr-blocks and --current-era");
        }

        uint foundEra = hint.CurrentEra ?? (uint)Math.Min(search.LatestEra + ErasUnmentioned, uint.MaxValue);
        return new EraGeometry(foundSize.Value, foundBlocks.Value, foundEra);
    }

    private static ulong CountOfUnion(List<BlockRange> ranges)
    {
        ulong count = 0;
        ulong end = 0;
        foreach (BlockRange range in ranges.OrderBy(range => range.Begin))
        {
            if (range.End <= end) continue;
            count += range.End - Math.Max(range.Begin, end);
            end = range.End;
        }

        return count;
    }

    private string Later(uint era) => $"era {era} is later than the current one, {Geometry.CurrentEra}";

    private void Lose(LostPiece piece)
    {
        _losses.Add(piece);
        _lostInWindow.Add(piece.Blocks);
    }

    private void LowerToCurrent(uint first, Span<uint> eras)
    {
        for (int i = 0; i < eras.Length; i++)
        {
            if (eras[i] <= Geometry.CurrentEra) continue;
            BlockRange block = new(first + (uint)i, first + (uint)i + 1);
            _losses.Add("era array", Later(eras[i]), [Superblock.Location], block);
            _lostInWindow.Add(block);
            eras[i] = Geometry.CurrentEra;
        }
    }
}
