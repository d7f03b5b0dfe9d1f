using System.Buffers.Binary;
using DmEra.Simulation.Devices;
using DmEra.Target.Chronicles;

namespace DmEra.Simulation.Model;

/// <summary>
/// Somebody who keeps a copy of the disk, and believes every era number that he has seen: next time he copies just the
/// blocks that are listed since then. His copy is elsewhere, and outlives every crash.
/// </summary>
/// <remarks>What a block of the disk holds, now or after a power cut, is in the copy, or the block is listed: else he will never
/// learn of it. Of a sector he keeps the number that its write stamped it with.</remarks>
internal sealed class Observer
{
    private const ulong Nothing = ulong.MaxValue;

    private readonly ulong[] _copy;
    private int _length;        // of the device when it was last copied
    private string _seen = "";
    private Guid? _mark;        // of the era since when
    private bool _isInDoubt;    // the disk may have another history now: he must ask first

    /// <summary>Begins without a copy.</summary>
    /// <param name="sectors">Of the device at its longest.</param>
    public Observer(int sectors)
    {
        _copy = new ulong[sectors];
        StartOver();
    }

    /// <summary>The era since when he needs to know of changes; 0 = everything.</summary>
    public uint Since { get; private set; }

    /// <summary>Throws his copy away.</summary>
    public void StartOver()
    {
        Since = 0;
        _mark = null;
        _isInDoubt = false;
        _length = 0;
        _copy.AsSpan().Fill(Nothing);
    }

    /// <summary>Everything may have been put back to how it was once. Whether he may go on he learns when he asks; without a mark to ask
    /// for he begins anew.</summary>
    public void Doubt()
    {
        if (Since == 0 || _mark is null) StartOver();
        else _isInDoubt = true;
    }

    /// <summary>Asks whether the device knows the moment that he has his copy from; begins anew when it does not.</summary>
    /// <returns>false: it does not.</returns>
    public bool Ask(HistoryIdentity history)
    {
        if (_mark is not { } mark || history.WhyUnknown(new EraMark(Since, mark)) is null)
        {
            _isInDoubt = false;
            return true;
        }

        StartOver();
        return false;
    }

    /// <summary>Copies everything.</summary>
    public void CopyAll(ReadOnlySpan<byte> origin, uint era, int length)
    {
        for (int sector = 0; sector < length; sector++) Believe(sector, origin);
        Finish(era, mark: null, "what was saved", length);
    }

    /// <summary>Copies a block, as far as it is part of the device.</summary>
    public void Copy(int block, ReadOnlySpan<byte> origin, int length)
    {
        for (int sector = First(block); sector < Math.Min(First(block + 1), length); sector++) Believe(sector, origin);
    }

    /// <summary>He has copied what he was told to.</summary>
    /// <param name="era">The number that he had seen before that.</param>
    /// <param name="mark">Its mark; null when it has none.</param>
    /// <param name="where">Where he saw it.</param>
    /// <param name="length">Sectors of the device.</param>
    public void Finish(uint era, Guid? mark, string where, int length)
    {
        Since = era;
        _mark = mark;
        _length = length;
        _seen = where;
        _copy.AsSpan(length).Fill(Nothing);
    }

    /// <summary>Takes what a sector holds for what it always held.</summary>
    public void Believe(int sector, ReadOnlySpan<byte> origin) => _copy[sector] = StampOf(origin[(sector * DiskContent.Sector)..]);

    /// <summary>Whether he has something else of a sector.</summary>
    public bool Differs(int sector, ReadOnlySpan<byte> content) => _copy[sector] != StampOf(content);

    /// <summary>Looks for a difference that no list will ever tell of.</summary>
    /// <param name="lastWritten">For each block the era of its last write.</param>
    /// <param name="origin">What the disk holds.</param>
    /// <param name="doubtful">Sectors of which nobody can know.</param>
    /// <returns>What is wrong; null when nothing is.</returns>
    public string? FindStale(ReadOnlySpan<uint> lastWritten, ReadOnlySpan<byte> origin, HashSet<int> doubtful)
    {
        if (_isInDoubt) return null;
        int end = Math.Min(_length, First(lastWritten.Length));
        for (int sector = 0; sector < end; sector++)
        {
            uint era = lastWritten[sector / WorldShape.SectorsPerBlock];
            if (era < Since && Differs(sector, origin[(sector * DiskContent.Sector)..]) && !doubtful.Contains(sector))
                return $"{Describe(sector, origin)}, and its block is not listed since era {Since}: it was written in era {era}";
        }

        return null;
    }

    /// <summary>Looks for any difference, which there must not be once he has copied what a device at rest lists.</summary>
    /// <returns>What is wrong; null when nothing is.</returns>
    public string? FindDifference(ReadOnlySpan<byte> origin)
    {
        for (int sector = 0; sector < _length; sector++)
        {
            if (Differs(sector, origin[(sector * DiskContent.Sector)..])) return $"{Describe(sector, origin)}, after all that was listed has been copied";
        }

        return null;
    }

    private string Describe(int sector, ReadOnlySpan<byte> origin)
    {
        string copy = _copy[sector] == Nothing ? "nothing" : $"write {_copy[sector]}";
        return $"STALE COPY: of sector {sector}, which holds write {StampOf(origin[(sector * DiskContent.Sector)..])}, an observer who saw era {Since} in "
            + $"{_seen} has {copy}";
    }

    private static ulong StampOf(ReadOnlySpan<byte> content) => BinaryPrimitives.ReadUInt64LittleEndian(content);

    private static int First(int block) => block * WorldShape.SectorsPerBlock;
}
