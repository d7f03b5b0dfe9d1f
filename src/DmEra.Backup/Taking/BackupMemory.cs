using System.Globalization;
using System.Text.Json;
using DmEra.Backup.Images;
using DmEra.Backup.Stores;
using DmEra.Devices;
using DmEra.Target.Chronicles;

namespace DmEra.Backup.Taking;

/// <summary>
/// What a device knows of the repositories that images of it went to: the last image in each. A repository that was put back
/// from a copy as a whole looks sound by itself; whoever has put something there since can tell. Kept beside the metadata, in
/// <c>METADATA.backups</c>, where nobody gets who can write to the store alone.
/// </summary>
internal sealed class BackupMemory
{
    private const string Suffix = ".backups";
    private const int MostRepositories = 100;
    private const int LongestFile = 1 << 20;

    private readonly string _metadata;
    private readonly string _path;
    private readonly List<RememberedImage> _images;

    private BackupMemory(string metadata, string path, List<RememberedImage> images)
    {
        _metadata = Path.GetFullPath(metadata);
        _path = path;
        _images = images;
    }

    /// <summary>Reads what is known.</summary>
    /// <param name="metadata">Path of the device's metadata.</param>
    /// <param name="remark">Told when that cannot be read: then nothing is known.</param>
    public static BackupMemory Read(string metadata, Action<string> remark)
    {
        string path = SideFile.PathFor(metadata, Suffix);
        try
        {
            return new BackupMemory(metadata, path, Parse(path));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or JsonException)
        {
            remark($"{path}: cannot be read, so that nobody knows whether the repository was put back from a copy: {fault.Message}");
            return new BackupMemory(metadata, path, []);
        }
    }

    /// <summary>Why a repository went another way than this device has seen; null when it did not.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="numbers">The images in it, ascending.</param>
    /// <param name="remark">Told when it lacks the newest images: an older state of it, or they were removed.</param>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public string? WhyOlder(Repository repository, IReadOnlyList<uint> numbers, Action<string> remark)
    {
        if (_images.Find(image => image.Repository == repository.Id) is not { } last) return null;
        string name = $"image {last.Number}, taken of this device on "
            + last.Created.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
        // A later one is a sign that it was pruned: the newest never is.
        if (!numbers.Contains(last.Number))
        {
            if (numbers is not [.., uint newest] || newest < last.Number)
            {
                remark($"{repository.Address}: {name}, is gone, and no later one is there: the repository was put back from a copy, or somebody "
                    + "has removed images; this one goes on from what is there");
            }

            return null;
        }

        try
        {
            return repository.ReadImage(last.Number).Id == last.Id ? null : $"{name}, is another one now";
        }
        catch (ObjectDamagedException)
        {
            return null;        // which is no older state, and told by whoever needs it
        }
    }

    /// <summary>Notes the image that was taken last.</summary>
    /// <exception cref="IOException">It cannot be written: nothing has changed.</exception>
    public void Remember(Repository repository, ImageManifest image)
    {
        _images.RemoveAll(other => other.Repository == repository.Id);
        _images.Insert(0, new RememberedImage(repository.Id, image.Number, image.Id, image.Created));
        if (_images.Count > MostRepositories) _images.RemoveRange(MostRepositories, _images.Count - MostRepositories);
        // Metadata on a block device has its place elsewhere, which is made when it is needed.
        if (_metadata.StartsWith("/dev/", StringComparison.Ordinal)) Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
        DurableFile.Replace(
            _path, $"{_path}.{Environment.ProcessId}.new", JsonSerializer.SerializeToUtf8Bytes(_images, BackupJson.Default.ListRememberedImage));
    }

    private static List<RememberedImage> Parse(string path)
    {
        if (SideFile.TryRead(path, LongestFile) is not byte[] json) return [];
        if (json.Length > LongestFile) throw new JsonException("it is too long");
        return JsonSerializer.Deserialize(json, BackupJson.Default.ListRememberedImage)?.FindAll(image => image is not null) ?? [];
    }
}
