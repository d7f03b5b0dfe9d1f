using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Simulation.Devices;
using DmEra.Simulation.Model;
using DmEra.Simulation.Scheduling;
using DmEra.Target.History;
using DmEra.Target.Metadata;
using DmEra.Tools.Check;

namespace DmEra.Simulation;

/// <summary>What outlives a crash: the two disks, what is known of them, and what others have copied from them.</summary>
internal sealed class World : IDisposable
{
    // What a program that failed to flush it has left behind: a later one cannot know that no flush makes it stable.
    private HashSet<int> _doubtful = [];

    private SavedState? _saved;

    public World(WorldShape shape, Coverage coverage, int seed = 0)
    {
        Shape = shape;
        Coverage = coverage;
        Length = shape.Sectors;
        Metadata = new DiskContent(new byte[shape.MetadataBlocks * BlockManager.BlockSize]);
        MetadataSpace = shape.MetadataIsSparse ? new FileSystemSpace(shape.MetadataBlocks, new Random(seed), coverage) : null;
        Origin = new DiskContent(new byte[shape.Sectors * DiskContent.Sector]);
        Eras = new EraModel(shape.Sectors, shape.MarkAhead);
        Content = new ContentModel(shape.Sectors);
        Chronicle = shape.HasChronicle ? new ChronicleFolder() : null;
        Observers = [.. Enumerable.Range(0, shape.Observers).Select(_ => new Observer(shape.Sectors))];
    }

    public DiskContent Metadata { get; private set; }

    /// <summary>The space that a sparse metadata file has; null when it has all.</summary>
    public FileSystemSpace? MetadataSpace { get; }

    public DiskContent Origin { get; private set; }

    /// <summary>Where the marks of eras are kept; null: nowhere.</summary>
    public ChronicleFolder? Chronicle { get; }

    public WorldShape Shape { get; }

    public Coverage Coverage { get; }

    public EraModel Eras { get; }

    public ContentModel Content { get; }

    public IReadOnlyList<Observer> Observers { get; }

    /// <summary>Sectors of the device when it was last in use.</summary>
    public int Length { get; set; }

    /// <summary>The newest era that can have begun: that of the superblock, and one that is on its way to it.</summary>
    public uint NewestEra => Math.Max(MemoryMarshal.Read<Superblock>(Metadata.Visible).CurrentEra, Eras.ToldEra) + 1;

    /// <summary>A program begins to use the disks.</summary>
    public void BeginLife() => _doubtful = [.. Origin.Forgotten];

    /// <summary>The power comes back, and the disks hold this.</summary>
    /// <exception cref="SimulationException">Something that was acknowledged is forgotten.</exception>
    public void Restart(byte[] metadata, byte[] origin)
    {
        if (FindLie(new MemoryBlockDevice(metadata), origin) is { } lie) throw new SimulationException(lie);
        if (FindFault(new MemoryBlockDevice(metadata)) is { } fault) throw new SimulationException(fault);
        foreach (int sector in Doubtful())
        {
            foreach (Observer observer in Observers) observer.Believe(sector, origin);
        }

        (Metadata, Origin) = (new DiskContent(metadata), new DiskContent(origin));
        Content.Restart(origin);
    }

    /// <summary>The program dies, and nothing else: what a crash of the origin's machine has taken before, nobody sends again.</summary>
    public void LoseProgram() => Content.ForgetAllBut(Origin.MayHold);

    /// <summary>The machine of the origin crashes while ours goes on: what was not flushed may be lost.</summary>
    public void CrashOrigin(Random random)
    {
        byte[] left = Origin.AfterPowerCut(random);
        foreach (int sector in Doubtful()) Replace(sector, left);
        Origin = new DiskContent(left);
    }

    /// <summary>The machine of the origin has its disk to itself again: nothing that it had under way reaches it any more.</summary>
    public void DetachOrigin() => Origin = Origin.Copy();

    /// <summary>Somebody puts older content in the place of the origin's, and all who keep copies know.</summary>
    public void RollBackOrigin(Random random)
    {
        byte[] older = [.. Origin.Visible];
        for (int at = 0; at < older.Length; at += WorldShape.BlockBytes)
        {
            if (random.Next(2) == 0) older.AsSpan(at, Math.Min(WorldShape.BlockBytes, older.Length - at)).Clear();
        }

        for (int sector = 0; sector < Shape.Sectors; sector++) Replace(sector, older);
        Origin = new DiskContent(older);
        _saved = null;      // no list tells of this
    }

    /// <summary>Keeps what a device holds, for <see cref="RollBack"/>, if it is at rest: stopped or paused.</summary>
    /// <param name="length">Its sectors.</param>
    public void Save(int length)
    {
        // What is forgotten is on no disk that could be saved.
        if (Chronicle is null || Origin.Forgotten.Count > 0 || Metadata.Forgotten.Count > 0) return;
        Superblock superblock = MemoryMarshal.Read<Superblock>(Metadata.Visible);
        if (superblock.CurrentWriteset.Root != 0) return;
        _saved = new SavedState(
            Metadata.Visible.ToArray(), Origin.Visible.ToArray(), Chronicle.Content, superblock.CurrentEra + 1, length);
        Coverage.Count("device is saved");
    }

    /// <summary>Puts what was saved back, if anything was, while nobody uses the disks.</summary>
    /// <exception cref="SimulationException">What changes on the origin is not listed.</exception>
    public void RollBack(Rollback what)
    {
        if (_saved is not { } saved) return;
        Coverage.Count($"rollback: {what}");
        bool takesMetadata = what != Rollback.Origin;
        bool takesOrigin = what != Rollback.Metadata;
        if (!takesMetadata) RequireListed(saved);
        byte[] origin = takesOrigin ? saved.Origin : Origin.Visible.ToArray();
        Origin = new DiskContent(origin);
        Content.Restart(origin);
        if (takesMetadata)
        {
            Metadata = new DiskContent(saved.Metadata);
            MetadataSpace?.KeepOnly(saved.Metadata);
            Eras.StartOver(saved.NextEra);
            Length = saved.Length;
        }

        // Of what is on the origin now it knows nothing.
        if (what == Rollback.Metadata) _saved = null;
        if (what == Rollback.Everything) Chronicle!.Content = saved.Chronicle;
        foreach (Observer observer in Observers)
        {
            if (takesMetadata) observer.Doubt();
            else observer.StartOver();
        }
    }

    public void Dispose() => Chronicle?.Dispose();

    /// <summary>Compares disks with what they must hold.</summary>
    /// <returns>What is wrong; null when nothing is.</returns>
    public string? FindLie(IBlockDevice metadata, ReadOnlySpan<byte> origin)
    {
        HashSet<int> doubtful = Doubtful();
        if (FindLoss(origin, doubtful) is { } loss) return loss;
        if (IsUnformatted(metadata)) return Eras.ToldEra == 0 ? null : "the metadata is gone: it is unformatted again";
        try
        {
            using EraHistory history = EraHistory.Open(metadata);
            uint[] eras = new uint[history.NrBlocks];
            history.ReadEras(0, eras);
            return Eras.FindLie(eras) ?? FindStale(eras, origin, doubtful);
        }
        catch (MetadataException fault)
        {
            return $"unclean metadata: {fault.Message}";
        }
    }

    /// <summary>Has era check look at every block in use and every reference count.</summary>
    /// <returns>What is wrong; null when nothing is.</returns>
    public static string? FindFault(IBlockDevice metadata)
    {
        if (IsUnformatted(metadata)) return null;
        CheckReport report = MetadataChecker.Check(metadata);
        return report.Faults.Count == 0 ? null : $"unclean metadata: {report.Faults[0]}";
    }

    private void Replace(int sector, ReadOnlySpan<byte> origin)
    {
        Content.Replace(sector, origin[(sector * DiskContent.Sector)..]);
        foreach (Observer observer in Observers) observer.Believe(sector, origin);
    }

    private string? FindLoss(ReadOnlySpan<byte> origin, HashSet<int> doubtful)
    {
        for (int sector = 0; sector < Shape.Sectors; sector++)
        {
            string? loss = Content.FindLoss(sector, origin[(sector * DiskContent.Sector)..]);
            if (loss is not null && !doubtful.Contains(sector)) return loss;
        }

        return null;
    }

    private string? FindStale(uint[] eras, ReadOnlySpan<byte> origin, HashSet<int> doubtful)
    {
        foreach (Observer observer in Observers)
        {
            if (observer.FindStale(eras, origin, doubtful) is { } stale) return stale;
        }

        return null;
    }

    private HashSet<int> Doubtful()
    {
        _doubtful.IntersectWith(Origin.Forgotten);
        return _doubtful;
    }

    private void RequireListed(SavedState saved)
    {
        using EraHistory history = EraHistory.Open(new MemoryBlockDevice(Metadata.Visible.ToArray()));
        uint[] eras = new uint[history.NrBlocks];
        history.ReadEras(0, eras);
        Observer consumer = new(Shape.Sectors);
        consumer.CopyAll(saved.Origin, saved.NextEra, Math.Min(saved.Length, Length));
        if (consumer.FindStale(eras, Origin.Visible, []) is { } stale) throw new SimulationException($"rollback of the origin: {stale}");
    }

    private static bool IsUnformatted(IBlockDevice metadata)
    {
        Span<byte> superblock = stackalloc byte[BlockManager.BlockSize];
        metadata.Read(0, superblock);
        return !superblock.ContainsAnyExcept((byte)0);
    }
}
