using System.Buffers.Binary;

namespace DmEra.Simulation.Devices;

/// <summary>What a disk holds, as far as anybody can tell: it outlives the program that uses the disk.</summary>
public sealed class DiskContent
{
    /// <summary>What a disk writes whole or not at all, in bytes.</summary>
    public const int Sector = 512;

    private readonly List<(long Number, long Offset, byte[] Data)> _volatile = [];
    private readonly HashSet<int> _forgotten = [];
    private byte[] _stable;
    private byte[] _visible;

    /// <summary>Creates a disk with this content, all of it stable.</summary>
    public DiskContent(byte[] content)
    {
        _stable = [.. content];
        _visible = [.. content];
    }

    private DiskContent(DiskContent other)
    {
        _stable = [.. other._stable];
        _visible = [.. other._visible];
        _volatile = [.. other._volatile];
        _forgotten = [.. other._forgotten];
        LastWrite = other.LastWrite;
    }

    /// <summary>Size in bytes.</summary>
    public int Length => _visible.Length;

    /// <summary>The number of the last write.</summary>
    public long LastWrite { get; private set; }

    /// <summary>Count of writes that a power cut might lose.</summary>
    public int VolatileWrites => _volatile.Count;

    /// <summary>Sectors that reads return something of which no flush makes stable any more.</summary>
    public IReadOnlySet<int> Forgotten => _forgotten;

    /// <summary>What no power cut takes away.</summary>
    public ReadOnlySpan<byte> Stable => _stable;

    /// <summary>What reads return.</summary>
    public ReadOnlySpan<byte> Visible => _visible;

    /// <summary>Whether a sector holds this stamp, or may after a power cut.</summary>
    public bool MayHold(int sector, ulong stamp)
    {
        int at = sector * Sector;
        return Stamp(_stable, at) == stamp || Stamp(_visible, at) == stamp
            || _volatile.Exists(write => at >= write.Offset && at < write.Offset + write.Data.Length && Stamp(write.Data, at - (int)write.Offset) == stamp);

        static ulong Stamp(byte[] data, int at) => BinaryPrimitives.ReadUInt64LittleEndian(data.AsSpan(at));
    }

    /// <summary>Another disk in the same state.</summary>
    public DiskContent Copy() => new(this);

    /// <summary>Changes what reads return; a power cut may lose it.</summary>
    public void Write(long offset, byte[] data)
    {
        data.CopyTo(_visible, offset);
        _volatile.Add((++LastWrite, offset, data));
    }

    /// <summary>No power cut loses this write any more, nor those before it.</summary>
    public void MakeStable(long lastWrite)
    {
        // Another flush may have made some of them stable meanwhile.
        int count = _volatile.TakeWhile(write => write.Number <= lastWrite).Count();
        foreach ((_, long offset, byte[] data) in _volatile.Take(count))
        {
            data.CopyTo(_stable, offset);
            _forgotten.ExceptWith(Sectors(offset, data.Length));
        }

        _volatile.RemoveRange(0, count);
    }

    /// <summary>This write, and those before it, are taken for stable, and are not: reads return them until the power
    /// goes, and no flush makes them stable.</summary>
    public void Forget(long lastWrite)
    {
        foreach ((_, long offset, byte[] data) in _volatile.Where(write => write.Number <= lastWrite))
            _forgotten.UnionWith(Sectors(offset, data.Length));
        _volatile.RemoveAll(write => write.Number <= lastWrite);
    }

    /// <summary>Makes it longer; the new part is zeroes, and stable.</summary>
    public void Extend(int length)
    {
        Array.Resize(ref _stable, length);
        Array.Resize(ref _visible, length);
    }

    /// <summary>What it would hold if the power went now, as <paramref name="choices"/> decide it.</summary>
    public byte[] AfterPowerCut(Random choices)
    {
        byte[] content = [.. _stable];
        foreach ((_, long offset, byte[] data) in _volatile)
        {
            switch (choices.Next(4))
            {
                case 0 or 1:
                    data.CopyTo(content, offset);
                    break;
                case 2:
                    Tear(content, offset, data, choices);
                    break;
            }
        }

        return content;
    }

    /// <summary>All that it could hold if the power went now.</summary>
    internal PowerCutOutcomes AllAfterPowerCut() =>
        new(_stable, [.. _volatile.Select(write => (write.Offset, write.Data))]);

    private static IEnumerable<int> Sectors(long offset, int length) =>
        Enumerable.Range((int)(offset / Sector), length / Sector);

    private static void Tear(byte[] content, long offset, byte[] data, Random choices)
    {
        for (int at = 0; at < data.Length; at += Sector)
        {
            if (choices.Next(2) == 0) continue;
            int length = Math.Min(Sector, data.Length - at);
            data.AsSpan(at, length).CopyTo(content.AsSpan((int)offset + at));
        }
    }
}
