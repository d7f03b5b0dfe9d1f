using System.Buffers.Binary;

namespace DmEra.Simulation.Model;

/// <summary>
/// What each sector of an origin may hold. Every write stamps its sectors with a number of its own, so that a
/// sector's content names the write it came from.
/// </summary>
/// <remarks>A write is out of the question for a sector when another one began after it had ended and was then
/// made stable by a flush, or, as long as the power stays on, has ended.</remarks>
public sealed class ContentModel
{
    private const int Sector = Devices.DiskContent.Sector;

    private readonly List<Stamp>[] _possible;
    private long _clock;
    private ulong _lastStamp;

    /// <summary>Creates the model of a disk that is all zeroes.</summary>
    public ContentModel(int sectors)
    {
        _possible = new List<Stamp>[sectors];
        for (int sector = 0; sector < sectors; sector++) _possible[sector] = [new Stamp { Value = 0, Ended = 0 }];
    }

    /// <summary>Times at which something became stable, and what it replaces was forgotten.</summary>
    public long Flushes { get; private set; }

    /// <summary>A write begins.</summary>
    /// <param name="firstSector">Where.</param>
    /// <param name="sectors">How long.</param>
    /// <param name="isZero">It writes zeroes, or discards.</param>
    public Stamp Begin(int firstSector, int sectors, bool isZero)
    {
        Stamp stamp = new()
        {
            FirstSector = firstSector,
            Sectors = sectors,
            Value = isZero ? 0 : ++_lastStamp,
            Began = ++_clock,
        };
        for (int i = 0; i < sectors; i++) _possible[firstSector + i].Add(stamp);
        return stamp;
    }

    /// <summary>A write was acknowledged. One that failed never ends: its sectors may hold it or not.</summary>
    public void End(Stamp stamp)
    {
        if (!stamp.IsDoubtful) stamp.Ended = ++_clock;
    }

    /// <summary>A flush begins; give the result to <see cref="EndFlush"/>.</summary>
    public long BeginFlush() => ++_clock;

    /// <summary>A flush was acknowledged: what had ended when it began is stable.</summary>
    public void EndFlush(long began)
    {
        foreach (List<Stamp> stamps in _possible)
        {
            long newestBegin = 0;
            foreach (Stamp stamp in stamps)
            {
                if (stamp.Ended < began && stamp.Began > newestBegin) newestBegin = stamp.Began;
            }

            stamps.RemoveAll(stamp => stamp.Ended < newestBegin);
        }

        Flushes++;
    }

    /// <summary>A write was acknowledged that is stable with it.</summary>
    public void EndStable(Stamp stamp)
    {
        End(stamp);
        if (stamp.IsDoubtful) return;
        for (int i = 0; i < stamp.Sectors; i++)
            _possible[stamp.FirstSector + i].RemoveAll(other => other.Ended < stamp.Began);
        Flushes++;
    }

    /// <summary>The bytes of a write.</summary>
    public static byte[] BytesOf(Stamp stamp)
    {
        byte[] data = new byte[stamp.Sectors * Sector];
        for (int i = 0; i < data.Length; i += Sector) BinaryPrimitives.WriteUInt64LittleEndian(data.AsSpan(i), stamp.Value);
        return data;
    }

    /// <summary>Looks whether a sector may hold this.</summary>
    /// <returns>What is wrong; null when nothing is.</returns>
    public string? FindLoss(int sector, ReadOnlySpan<byte> content)
    {
        ulong value = BinaryPrimitives.ReadUInt64LittleEndian(content);
        return _possible[sector].Exists(stamp => stamp.Value == value)
            ? null
            : $"LOST DATA: sector {sector} holds write {value}, not one of {string.Join(", ", _possible[sector])}";
    }

    /// <summary>Something else than a write changed what a sector holds. Of writes that nobody has heard of yet it is not known
    /// whether they came before.</summary>
    public void Replace(int sector, ReadOnlySpan<byte> content)
    {
        _possible[sector].RemoveAll(stamp => stamp.Ended != long.MaxValue);
        foreach (Stamp stamp in _possible[sector]) stamp.IsDoubtful = true;
        _possible[sector].Add(new Stamp { Value = BinaryPrimitives.ReadUInt64LittleEndian(content), Ended = 0 });
    }

    /// <summary>Acknowledged writes that no disk holds are gone, and nobody will send them again.</summary>
    public void ForgetAllBut(Func<int, ulong, bool> isHeld)
    {
        for (int sector = 0; sector < _possible.Length; sector++)
            _possible[sector].RemoveAll(stamp => stamp.Ended != long.MaxValue && !isHeld(sector, stamp.Value));
    }

    /// <summary>The power came back: what the disk holds now is all there is.</summary>
    public void Restart(ReadOnlySpan<byte> disk)
    {
        for (int sector = 0; sector < _possible.Length; sector++)
        {
            ulong value = BinaryPrimitives.ReadUInt64LittleEndian(disk[(sector * Sector)..]);
            _possible[sector] = [new Stamp { Value = value, Ended = 0 }];
        }
    }

    /// <summary>One write.</summary>
    public sealed class Stamp
    {
        /// <summary>Where it begins.</summary>
        public int FirstSector { get; init; }

        /// <summary>How long it is.</summary>
        public int Sectors { get; init; }

        /// <summary>What its sectors hold.</summary>
        public ulong Value { get; init; }

        internal long Began { get; init; }

        internal long Ended { get; set; } = long.MaxValue;

        /// <summary>Whether something has taken its place that may have come before or after it: then it never ends.</summary>
        internal bool IsDoubtful { get; set; }

        /// <inheritdoc/>
        public override string ToString() => Value.ToString();
    }
}
