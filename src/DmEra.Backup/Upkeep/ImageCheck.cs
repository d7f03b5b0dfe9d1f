using System.Diagnostics.CodeAnalysis;
using DmEra.Backup.Images;
using DmEra.Backup.Maps;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;

namespace DmEra.Backup.Upkeep;

/// <summary>Makes sure that there is a record for every sector of every image, and tells which images suffer from what
/// is wrong with packs.</summary>
/// <param name="repository">The repository.</param>
/// <param name="faults">What is wrong with packs, by the names of the objects.</param>
/// <param name="note">Told of each object that an image needs and that is not as it should be: its name, why, the
/// image, and how many bytes of the device it has.</param>
internal sealed class ImageCheck(
    Repository repository, IReadOnlyDictionary<string, PackFault> faults, Action<string, string, uint?, long> note)
{
    private readonly HashSet<RecordAddress> _sound = [];
    private readonly Dictionary<RecordAddress, List<Problem>> _unsound = [];

    /// <summary>Checks images.</summary>
    public void Check(IEnumerable<uint> images, CancellationToken stop)
    {
        foreach (uint number in images)
        {
            stop.ThrowIfCancellationRequested();
            if (!TryRead(() => repository.ReadImage(number), bytes: 0, out ImageManifest? image, out Problem problem)
                || !TryRead(() => repository.LoadMap(image), BytesOf(image.Device.SizeSectors), out ImageMap? map, out problem))
            {
                note(problem.Name, problem.Cause, number, problem.Bytes);
                continue;
            }

            foreach ((long region, RecordAddress address) in map.Regions) Check(number, map, region, address);
        }
    }

    private void Check(uint image, ImageMap map, long region, RecordAddress address)
    {
        if (_sound.Contains(address)) return;
        if (_unsound.TryGetValue(address, out List<Problem>? problems))
        {
            // What several images share counts once.
            foreach (Problem problem in problems) note(problem.Name, problem.Cause, image, 0);
            return;
        }

        problems = [.. Problems(map, region)];
        foreach (Problem problem in problems) note(problem.Name, problem.Cause, image, problem.Bytes);
        if (problems.Count == 0) _sound.Add(address);
        else _unsound.Add(address, problems);
    }

    private IEnumerable<Problem> Problems(ImageMap map, long region)
    {
        long regionBytes = BytesOf(Math.Min(RegionMap.Sectors, map.SizeSectors - (region * RegionMap.Sectors)));
        if (!TryRead(() => map.Region(region), regionBytes, out List<MapExtent>? extents, out Problem problem))
        {
            yield return problem;
            yield break;
        }

        foreach (MapExtent extent in extents)
        {
            string name = extent.Pack.Name.ToString();
            if (faults.TryGetValue(name, out PackFault? fault) && fault.Records is null)
                yield return new Problem(name, fault.Cause, BytesOf(extent.Count));
            else if (!TryRead(() => Records(extent), BytesOf(extent.Count), out List<RecordRun>? runs, out problem))
                yield return problem;
            else if (fault is not null && LostBytes(runs, fault.Records!) is > 0 and long lost)
                yield return new Problem(name, fault.Cause, lost);
        }
    }

    private List<RecordRun> Records(MapExtent extent) =>
        [.. RecordRun.Of([extent], repository.Reader, extent.First, extent.End, int.MaxValue)];

    private static long LostBytes(List<RecordRun> runs, IReadOnlySet<int> lost) =>
        runs.SelectMany(run => Enumerable.Range(run.Record, run.Count).Where(lost.Contains)
            .Select(record => (long)run.Pack!.Rows[record].PlainLength.Value)).Sum();

    private static bool TryRead<T>(Func<T> read, long bytes, [NotNullWhen(true)] out T? result, out Problem problem)
        where T : class
    {
        result = null;
        problem = default;
        try
        {
            result = read();
            return true;
        }
        catch (ObjectDamagedException fault)
        {
            problem = new Problem(fault.Name, fault.Cause, bytes);
        }
        catch (ObjectMissingException fault)
        {
            problem = new Problem(fault.Name, "it is missing", bytes);
        }

        return false;
    }

    private static long BytesOf(long sectors) => sectors * RecordRow.SectorSize;

    private readonly record struct Problem(string Name, string Cause, long Bytes);
}
