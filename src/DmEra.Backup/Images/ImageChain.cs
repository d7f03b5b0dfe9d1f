using DmEra.Backup.Stores;

namespace DmEra.Backup.Images;

/// <summary>
/// Whether the images of a repository belong together. Each names those that were there when it was taken, by the random ids
/// that no two have; in an encrypted repository nobody can write that without the key. So the newest one vouches for all: some
/// may have been removed since, but none is another one, of a state that the repository was put back from.
/// </summary>
/// <param name="repository">The repository.</param>
/// <param name="numbers">The images in it, ascending.</param>
internal sealed class ImageChain(Repository repository, IReadOnlyList<uint> numbers)
{
    private const int LongestList = 4096;       // half of what a document has room for

    private readonly Dictionary<uint, ImageManifest?> _read = [];

    /// <summary>Names the images that are there before a new one is taken.</summary>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public IReadOnlyList<ImageLink> Links()
    {
        SortedDictionary<uint, ImageLink> links = [];
        foreach (uint number in numbers.Reverse())
        {
            if (links.ContainsKey(number) || TryRead(number) is not { } image) continue;
            links[number] = new ImageLink(number, image.Id);
            if (image.Before is null) continue;     // of an earlier version: those before it are read one by one
            foreach (ImageLink link in image.Before.Where(link => numbers.Contains(link.Number))) links.TryAdd(link.Number, link);
            break;
        }

        return [.. links.Values.TakeLast(LongestList)];
    }

    /// <summary>Why an image is none of those that a later one knows; null when it is, or no later one tells.</summary>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public string? WhyStrange(ImageManifest image)
    {
        foreach (uint number in numbers.Reverse().TakeWhile(number => number > image.Number))
        {
            if (TryRead(number) is not { } later) continue;
            if (WhyStrange(image, later) is string why) return why;
            if (later.Before is not null) return null;      // the ones before it say no more
        }

        return null;
    }

    /// <summary>Why the image before the newest one does not belong to it; null when it does.</summary>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public string? WhyNewestIsAlone() => numbers is [.., uint before, _] && TryRead(before) is { } image ? WhyStrange(image) : null;

    /// <summary>All images that do not belong to the newest one, and why.</summary>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public IEnumerable<(uint Number, string Why)> Strangers() =>
        from number in numbers
        let image = TryRead(number)
        where image is not null
        let why = WhyStrange(image)
        where why is not null
        select (number, why);

    private static string? WhyStrange(ImageManifest image, ImageManifest later)
    {
        IReadOnlyList<ImageLink> known = later.Before ?? (later.Parent is null ? [] : [later.Parent]);
        ImageLink? link = known.FirstOrDefault(link => link.Number == image.Number);
        bool isListed = later.Before is not null && (later.Before.Count < LongestList || image.Number > later.Before[0].Number);
        return link is null
            ? isListed ? $"it was not there when image {later.Number} was taken" : null
            : link.Id == image.Id ? null : $"it is another image {image.Number} than the one that was there when image {later.Number} was taken";
    }

    private ImageManifest? TryRead(uint number)
    {
        if (_read.TryGetValue(number, out ImageManifest? image)) return image;
        try
        {
            image = repository.ReadImage(number);
        }
        catch (Exception fault) when (fault is ObjectDamagedException or ObjectMissingException)
        {
            image = null;
        }

        _read.Add(number, image);
        return image;
    }
}
