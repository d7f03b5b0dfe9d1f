using System.Collections;
using DmEra.Backup.Maps;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;

namespace DmEra.Backup.Upkeep;

/// <summary>A pack, and which of its records images lead to.</summary>
/// <param name="name">Its name.</param>
/// <param name="length">Bytes of the object.</param>
internal sealed class LivePack(PackName name, long length)
{
    private BitArray? _live;
    private long _recordBytes;      // stored, and of those that are live
    private long _liveBytes;

    public PackName Name { get; } = name;

    public long Length { get; } = length;

    /// <summary>True when an image leads to it.</summary>
    public bool IsLive => _live is not null;

    /// <summary>True when images lead to less than half of what its records store.</summary>
    public bool IsThin => IsLive && _liveBytes < _recordBytes / 2;

    /// <summary>True when an image leads to this record.</summary>
    public bool IsLiveAt(int record) => _live?[record] ?? false;

    /// <summary>Notes that an image leads to a record.</summary>
    public void Mark(PackDirectory directory, int record)
    {
        if (_live is null)
        {
            _live = new BitArray(directory.Rows.Length);
            _recordBytes = directory.RangeOf(0, directory.Rows.Length).Length;
        }

        if (_live[record]) return;
        _live[record] = true;
        _liveBytes += directory.Rows[record].StoredLength;
    }
}

/// <summary>Some of the packs of a repository, and what of them is alive.</summary>
internal sealed class LivePacks
{
    private readonly Dictionary<PackName, LivePack> _packs;
    private readonly PackReader _reader;

    /// <summary>Begins with nothing alive.</summary>
    public LivePacks(IEnumerable<(PackName Name, long Length)> packs, PackReader reader)
    {
        _packs = packs.ToDictionary(pack => pack.Name, pack => new LivePack(pack.Name, pack.Length));
        _reader = reader;
    }

    /// <summary>The packs.</summary>
    public IEnumerable<LivePack> All => _packs.Values;

    /// <summary>Marks what images lead to, among these packs.</summary>
    /// <exception cref="RepositoryException">Part of an image is not there, or the store failed.</exception>
    public void Mark(IEnumerable<ImageMap> maps)
    {
        // Images share most of their regions.
        HashSet<RecordAddress> seen = [];
        foreach (ImageMap map in maps)
        {
            foreach (RecordAddress record in map.Records) Mark(record);
            foreach ((long region, RecordAddress address) in map.Regions)
            {
                if (!seen.Add(address)) continue;
                Mark(address);
                foreach (MapExtent extent in map.Region(region)) Mark(extent);
            }
        }
    }

    private void Mark(RecordAddress address)
    {
        if (_packs.TryGetValue(address.Pack, out LivePack? pack))
            pack.Mark(_reader.Open(address.Pack), (int)address.Record.Value);
    }

    private void Mark(MapExtent extent)
    {
        if (!_packs.TryGetValue(extent.Pack.Name, out LivePack? pack)) return;
        foreach (RecordRun run in RecordRun.Of([extent], _reader, extent.First, extent.End, int.MaxValue))
        {
            for (int record = run.Record; record < run.Record + run.Count; record++) pack.Mark(run.Pack!, record);
        }
    }
}
