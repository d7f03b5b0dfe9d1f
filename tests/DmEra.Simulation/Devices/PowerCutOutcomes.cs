using DmEra.Devices;

namespace DmEra.Simulation.Devices;

/// <summary>
/// A disk that the power was cut off from, in every state in which it may be found: any subset of the writes since the
/// last flush, each of them torn at any of its sectors.
/// </summary>
/// <remarks>
/// So many states cannot be looked at one by one; nor need they be. A sector is decided only when somebody reads
/// it: who never reads a sector cannot tell what is in it, and finds the same in all states that differ only there.
/// What was written to a sector since the last flush, and what was there before, are all that can be found in it, whatever
/// becomes of other sectors. So the states that a reader can tell apart are the paths of a tree: one branch for
/// each different content of each undecided sector, in the order in which it reads them. <see cref="TryNext"/> goes from path
/// to path; the reader must read in the same order as long as it finds the same.
/// </remarks>
internal sealed class PowerCutOutcomes : IBlockDevice
{
    private readonly byte[] _stable;
    private readonly Dictionary<int, List<ReadOnlyMemory<byte>>> _versions = [];
    private readonly List<(int Sector, int Version)> _path = [];
    private readonly Dictionary<int, int> _decided = [];        // sector to version, along the path so far
    private int _steps;                                         // of the path, taken in this state

    public PowerCutOutcomes(byte[] stable, IReadOnlyList<(long Offset, byte[] Data)> writes)
    {
        _stable = stable;
        WriteCount = writes.Count;
        foreach ((long offset, byte[] data) in writes)
        {
            for (int at = 0; at < data.Length; at += DiskContent.Sector)
                AddVersion((int)(offset + at) / DiskContent.Sector, data.AsMemory(at, Math.Min(DiskContent.Sector, data.Length - at)));
        }
    }

    /// <summary>Writes that may be lost.</summary>
    public int WriteCount { get; }

    /// <summary>Count of all states.</summary>
    public double StateCount => _versions.Values.Aggregate(1.0, (product, versions) => product * versions.Count);

    public long Length => _stable.Length;

    /// <summary>What may be found in a sector.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Versions(int sector) =>
        _versions.TryGetValue(sector, out List<ReadOnlyMemory<byte>>? versions)
            ? versions
            : [_stable.AsMemory(sector * DiskContent.Sector, DiskContent.Sector)];

    /// <summary>Goes on to the next state that a reader can tell from those before.</summary>
    /// <returns>false when it has seen all.</returns>
    public bool TryNext()
    {
        _decided.Clear();
        _steps = 0;
        while (_path.Count > 0)
        {
            (int sector, int version) = _path[^1];
            if (version + 1 < _versions[sector].Count)
            {
                _path[^1] = (sector, version + 1);
                return true;
            }

            _path.RemoveAt(_path.Count - 1);
        }

        return false;
    }

    public void Read(long offset, Span<byte> buffer)
    {
        _stable.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
        if (_versions.Count == 0) return;
        for (int at = 0; at < buffer.Length; at += DiskContent.Sector)
        {
            int sector = (int)(offset + at) / DiskContent.Sector;
            if (_versions.TryGetValue(sector, out List<ReadOnlyMemory<byte>>? versions))
                versions[Decide(sector)].Span[..Math.Min(DiskContent.Sector, buffer.Length - at)].CopyTo(buffer[at..]);
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> data) => throw new NotSupportedException();

    public void Flush() => throw new NotSupportedException();

    public void Trim(long offset, long length) => throw new NotSupportedException();

    public void WriteZeroes(long offset, long length, ZeroingMode mode) => throw new NotSupportedException();

    public void Dispose()
    {
    }

    private void AddVersion(int sector, ReadOnlyMemory<byte> data)
    {
        if (!_versions.TryGetValue(sector, out List<ReadOnlyMemory<byte>>? versions))
            versions = [_stable.AsMemory(sector * DiskContent.Sector, DiskContent.Sector)];
        if (versions.Exists(version => version.Span.SequenceEqual(data.Span))) return;
        versions.Add(data);
        _versions[sector] = versions;
    }

    private int Decide(int sector)
    {
        if (_decided.TryGetValue(sector, out int version)) return version;
        if (_steps == _path.Count) _path.Add((sector, 0));
        (int expected, version) = _path[_steps++];
        if (expected != sector) throw new InvalidOperationException("the reader reads in another order than before");
        _decided.Add(sector, version);
        return version;
    }
}
