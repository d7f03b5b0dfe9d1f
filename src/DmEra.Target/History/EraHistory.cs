using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Reading;
using DmEra.Target.Metadata;

namespace DmEra.Target.History;

/// <summary>
/// What one committed state of the metadata knows of the past: the era in which each origin block was last written.
/// The era that was still open counts as any other. Reads the metadata device itself, window by window: its memory does
/// not grow with the origin. One thread at a time, but beside a running device.
/// </summary>
public sealed class EraHistory : IDisposable
{
    // At reading what may be written at that moment.
    private const int Attempts = 100;

    private readonly MetadataReader _reader;
    private readonly CommittedState _state;
    private readonly WindowReader _window;
    private readonly uint _latestEra;
    private readonly Action? _requireHeld;
    private readonly Action? _release;

    /// <summary>Reads a state that its owner keeps in place until <paramref name="release"/> is called.</summary>
    /// <param name="metadata">The metadata device; it stays the caller's.</param>
    /// <param name="superblock">Of the state.</param>
    /// <param name="latestEra">The latest era whose number may be told; what was written in a later one is told of as written
    /// in this.</param>
    /// <param name="deviceBlocks">Blocks that the device has: those that the metadata does not know are told of as just written, as
    /// when it was to become shorter and could not.</param>
    /// <param name="release">Called once, or more often, when the state is not needed any more.</param>
    /// <exception cref="MetadataCorruptException">The writeset tree is damaged.</exception>
    /// <exception cref="DeviceException">The metadata device failed.</exception>
    internal EraHistory(IBlockDevice metadata, Superblock superblock, uint latestEra, uint deviceBlocks, Action? release)
        : this(new MetadataReader(metadata), superblock, requireHeld: null, release)
    {
        _latestEra = Math.Min(latestEra, _state.CurrentEra);
        NrBlocks = Math.Max(deviceBlocks, _state.NrBlocks);
    }

    private EraHistory(MetadataReader reader, Superblock superblock, Action? requireHeld, Action? release)
    {
        _reader = reader;
        _state = CommittedState.Read(reader, superblock);
        _latestEra = _state.CurrentEra;
        NrBlocks = _state.NrBlocks;
        _window = new WindowReader(reader, _state);
        _requireHeld = requireHeld;
        _release = release;
    }

    /// <summary>Identifies the metadata through all its eras; null when that is not known, as the kernel blanks it.</summary>
    public Guid? Lineage => _state.Lineage;

    /// <summary>The era that is open, or was archived last. Of a metadata snapshot: the era that was about to begin
    /// when it was taken, of which it holds nothing.</summary>
    public uint CurrentEra => _latestEra;

    /// <summary>Blocks of the origin.</summary>
    public uint NrBlocks { get; }

    /// <summary>Size of an origin block in sectors of 512 bytes.</summary>
    public uint DataBlockSize => _state.DataBlockSize;

    /// <summary>Opens metadata that nobody writes meanwhile; a crashed device's is as good as any.</summary>
    /// <param name="metadata">The metadata device; it stays the caller's.</param>
    /// <exception cref="MetadataCorruptException">The superblock or the writeset tree is damaged.</exception>
    /// <exception cref="DeviceException">The metadata device failed.</exception>
    public static EraHistory Open(IBlockDevice metadata)
    {
        MetadataReader reader = new(metadata);
        Superblock superblock = CommittedState.ReadSuperblock(reader, Superblock.Location);
        return new EraHistory(reader, superblock, requireHeld: null, release: null);
    }

    /// <summary>Opens the metadata snapshot; safe while the device, ours or the kernel's, is running. Should the
    /// snapshot be dropped meanwhile, reading ends with an exception.</summary>
    /// <param name="metadata">The metadata device; it stays the caller's.</param>
    /// <returns>null when no snapshot is held.</returns>
    /// <exception cref="MetadataCorruptException">A superblock or the writeset tree is damaged.</exception>
    /// <exception cref="DeviceException">The metadata device failed.</exception>
    public static EraHistory? OpenSnapshot(IBlockDevice metadata)
    {
        MetadataReader reader = new(metadata);
        ulong address = ReadLiveSuperblock(reader).MetadataSnap;
        if (address == 0) return null;
        Superblock snapshot = ReadSnapshot(reader, address);
        Action requireHeld = () => RequireHeld(reader, address, snapshot.CurrentEra);
        try
        {
            return new EraHistory(reader, snapshot, requireHeld, release: null);
        }
        catch (MetadataCorruptException)
        {
            requireHeld();
            throw;
        }
    }

    /// <summary>Reads the era in which each block was last written; 0 = never.</summary>
    /// <param name="firstBlock">The first block to tell of.</param>
    /// <param name="eras">Receives one era a block; must not reach behind the last block.</param>
    /// <exception cref="MetadataCorruptException">A piece of the metadata is damaged.</exception>
    /// <exception cref="SnapshotDroppedException">It is a snapshot that is no longer held.</exception>
    /// <exception cref="DeviceException">The metadata device failed.</exception>
    public void ReadEras(uint firstBlock, Span<uint> eras)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstBlock + (ulong)eras.Length, NrBlocks, nameof(eras));
        int known = (int)Math.Clamp((long)_state.NrBlocks - firstBlock, 0, eras.Length);
        eras[known..].Fill(_latestEra);
        eras = eras[..known];
        if (eras.IsEmpty) return;
        try
        {
            ReadWindows(firstBlock, eras);
        }
        catch (MetadataCorruptException)
        {
            _requireHeld?.Invoke();
            throw;
        }

        if (_latestEra < _state.CurrentEra) HideLaterEras(eras);
        _requireHeld?.Invoke();
    }

    /// <summary>The blocks written in era <paramref name="era"/> or later; all blocks for era 0.</summary>
    /// <returns>Runs in ascending order that do not touch each other; worked out while they are read.</returns>
    /// <exception cref="EraNotBegunException">The era has not begun.</exception>
    /// <exception cref="MetadataCorruptException">A piece of the metadata is damaged.</exception>
    /// <exception cref="SnapshotDroppedException">It is a snapshot that is no longer held.</exception>
    /// <exception cref="DeviceException">The metadata device failed.</exception>
    public IEnumerable<BlockRange> WrittenSince(uint era) => WrittenSince(era, new BlockRange(0, NrBlocks));

    /// <summary>The blocks among <paramref name="within"/> written in era <paramref name="era"/> or later.</summary>
    /// <returns>Runs in ascending order that do not touch each other; worked out while they are read.</returns>
    /// <exception cref="EraNotBegunException">The era has not begun.</exception>
    /// <exception cref="MetadataCorruptException">A piece of the metadata is damaged.</exception>
    /// <exception cref="SnapshotDroppedException">It is a snapshot that is no longer held.</exception>
    /// <exception cref="DeviceException">The metadata device failed.</exception>
    public IEnumerable<BlockRange> WrittenSince(uint era, BlockRange within)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(within.End, NrBlocks, nameof(within));
        RequireBegun(era);
        return FindWritten(era, within);
    }

    /// <summary>Throws when an era has not begun: "nothing was written since" would be taken for a list that is
    /// complete.</summary>
    /// <exception cref="EraNotBegunException">So it is.</exception>
    public void RequireBegun(uint era)
    {
        if (era > CurrentEra) throw new EraNotBegunException(era, CurrentEra);
    }

    /// <summary>Lets go of the state.</summary>
    public void Dispose()
    {
        _release?.Invoke();
        _reader.Dispose();
    }

    /// <summary>The same as <see cref="WrittenSince(uint)"/> for those in a hurry.</summary>
    internal WrittenRuns FindWrittenSince(uint era) => new(_window, era, new BlockRange(0, NrBlocks), _state.NrBlocks, _requireHeld);

    private void HideLaterEras(Span<uint> eras)
    {
        foreach (ref uint era in eras) era = Math.Min(era, _latestEra);
    }

    private void ReadWindows(uint firstBlock, Span<uint> eras)
    {
        uint lead = firstBlock % 64;
        if (lead != 0)
        {
            // Windows begin where words of bitsets do.
            Span<uint> word = stackalloc uint[64];
            word = word[..(int)Math.Min(64, _state.NrBlocks - (firstBlock - lead))];
            _window.ReadEras(firstBlock - lead, word);
            word = word[(int)lead..];
            word = word[..Math.Min(word.Length, eras.Length)];
            word.CopyTo(eras);
            eras = eras[word.Length..];
            firstBlock += (uint)word.Length;
        }

        if (!eras.IsEmpty) _window.ReadEras(firstBlock, eras);
    }

    private IEnumerable<BlockRange> FindWritten(uint era, BlockRange within)
    {
        WrittenRuns runs = new(_window, era, within, _state.NrBlocks, _requireHeld);
        while (runs.FindMore())
        {
            for (int i = 0; i < runs.Found.Length; i++) yield return runs.Found[i];
        }
    }

    private static Superblock ReadLiveSuperblock(MetadataReader reader)
    {
        for (int attempt = 1; ; attempt++)
        {
            try { return CommittedState.ReadSuperblock(reader, Superblock.Location); }
            catch (MetadataCorruptException) when (attempt < Attempts)
            {
                // Perhaps read while it was being written: the next attempt sees the new one.
                Thread.Yield();
            }
        }
    }

    private static Superblock ReadSnapshot(MetadataReader reader, ulong address)
    {
        for (int attempt = 1; ; attempt++)
        {
            try { return CommittedState.ReadSuperblock(reader, address); }
            catch (MetadataCorruptException)
            {
                // Perhaps dropped since its address was read, and another block is there or, just now, another snapshot.
                if (ReadLiveSuperblock(reader).MetadataSnap != address) throw new SnapshotDroppedException();
                if (attempt == Attempts) throw;
                Thread.Yield();
            }
        }
    }

    private static void RequireHeld(MetadataReader reader, ulong address, uint era)
    {
        // Another snapshot may be in its place: then it is of a later era.
        bool isHeld = ReadLiveSuperblock(reader).MetadataSnap == address
            && ReadSnapshot(reader, address).CurrentEra == era;
        if (!isHeld) throw new SnapshotDroppedException();
    }
}
