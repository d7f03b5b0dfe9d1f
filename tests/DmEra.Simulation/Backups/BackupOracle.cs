using System.Security.Cryptography;
using System.Text;
using DmEra.Backup.Images;
using DmEra.Backup.Reading;
using DmEra.Simulation.Scheduling;

namespace DmEra.Simulation.Backups;

/// <summary>
/// What must be true of a repository at every moment: every image that is listed is, byte for byte, the disk at one moment, and
/// every image that was reported as made is listed until a prune that may has removed it.
/// </summary>
internal sealed class BackupOracle(Scheduler scheduler, Bucket bucket, TrackedDisk disk, Coverage coverage, Random random)
{
    /// <summary>So many images every prune keeps.</summary>
    public const int Kept = 2;

    private const int LookOneIn = 8;

    private readonly SortedSet<uint> _made = [];
    private readonly IncrementalHash _trace = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private (ProcessStore? By, long At) _lastRemoval;

    /// <summary>Calls to the store so far.</summary>
    public long Moment { get; private set; }

    /// <summary>What two runs of the same seed have in common.</summary>
    public string TraceHash => Convert.ToHexString(_trace.GetCurrentHash());

    /// <summary>Somebody calls the store.</summary>
    public void Trace(string call)
    {
        Moment++;
        _trace.AppendData(Encoding.UTF8.GetBytes($"{scheduler.Now.Ticks} {SimulatedThread.Current.Name} {call}\n"));
    }

    public void Count(string what) => coverage.Count(what);

    /// <summary>A backup has reported this image.</summary>
    public void Made(uint number)
    {
        _made.Add(number);
        Look();
    }

    /// <summary>Somebody is about to remove an object that is there.</summary>
    public void Removing(ProcessStore by, string name)
    {
        if (name.StartsWith(RepositoryLock.Prefix, StringComparison.Ordinal)) return;
        _lastRemoval = (by, Moment);
        if (!TryNumber(name, out uint number)) return;
        int newer = Numbers().Count(other => other > number);
        if (newer < Kept) scheduler.Fail($"image {number} is removed though only {newer} newer ones are there");
        _made.Remove(number);
    }

    /// <summary>An object was written or removed.</summary>
    public void Changed(ProcessStore by, string name, bool isRemoval)
    {
        coverage.PowerCuts++;
        bool isImage = TryNumber(name, out _);
        if (isImage && !isRemoval && _lastRemoval.By is { } other && other != by && _lastRemoval.At > by.Began)
            scheduler.Fail($"{name} is published though another program has removed things since this one looked at what is there");
        bool mayHurt = isImage || (isRemoval && !name.StartsWith(RepositoryLock.Prefix, StringComparison.Ordinal));
        if (mayHurt || random.Next(LookOneIn) == 0) Look();
    }

    /// <summary>Everything stands still: what does somebody find who comes then?</summary>
    public void Look()
    {
        if (FindLie() is { } lie) scheduler.Fail(lie);
    }

    /// <summary>Compares with the image of this era.</summary>
    public string? FindDifference(uint lastEra, ReadOnlySpan<byte> content)
    {
        if (!disk.Moments.TryGetValue(lastEra, out byte[]? moment)) return $"no image can be of the end of era {lastEra}";
        int same = content.CommonPrefixLength(moment);
        return same == moment.Length ? null : $"differs from the disk at the end of era {lastEra} from byte {same} on";
    }

    private string? FindLie()
    {
        if (bucket.Find("repository") is null) return _made.Count == 0 ? null : "the repository is gone";
        using Repository repository = Repository.Open(new BucketView(bucket), null);
        IReadOnlyList<uint> numbers = repository.ImageNumbers();
        foreach (uint number in _made)
        {
            if (!numbers.Contains(number)) return $"image {number} was reported, and is gone";
        }

        foreach (uint number in numbers)
        {
            try
            {
                ImageManifest image = repository.ReadImage(number);
                using ImageDevice device = ImageDevice.OpenLocked(repository, image);
                byte[] content = new byte[device.Length];
                device.Read(0, content);
                if (FindDifference(image.LastEra, content) is { } difference) return $"image {number} {difference}";
            }
            catch (IOException fault)
            {
                return $"image {number} is listed, and cannot be read: {fault.Message}";
            }
        }

        return null;
    }

    private IEnumerable<uint> Numbers()
    {
        foreach (string name in bucket.Names)
        {
            if (TryNumber(name, out uint number)) yield return number;
        }
    }

    private static bool TryNumber(string name, out uint number)
    {
        number = 0;
        return name.StartsWith(Repository.ImagePrefix, StringComparison.Ordinal)
            && uint.TryParse(name.AsSpan(Repository.ImagePrefix.Length), out number);
    }
}
