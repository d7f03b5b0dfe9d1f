using System.Globalization;
using System.Text.Json;
using DmEra.Backup.Maps;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;
using DmEra.Devices.Threads;

namespace DmEra.Backup.Images;

/// <summary>
/// The images of one device, in a store. Made of packs, which hold content and maps, and of one small document an
/// image, which is written last: an image is there with all it needs, or not at all.
/// </summary>
public sealed class Repository : IDisposable
{
    internal const string ImagePrefix = "images/";

    private Repository(IObjectStore store, IThreads threads, (Guid Id, RepositoryKey? Key) opened)
    {
        Store = store;
        Threads = threads;
        (Id, Key) = opened;
        Reader = new PackReader(store, Key);
    }

    /// <summary>What the user calls it.</summary>
    public string Address => Store.Address;

    /// <summary>True when its content can be read with its key only.</summary>
    public bool IsEncrypted => Key is not null;

    /// <summary>Whether images go on top of an older state than the device has left it in.</summary>
    public bool AcceptsOlderState { get; set; }

    /// <summary>Whether <see cref="FindImage"/> returns an image that does not belong with the newest one.</summary>
    public bool AcceptsMixedImages { get; set; }

    /// <summary>Told what should be known though nothing failed, for people: one line each.</summary>
    public Action<string>? Remark { get; set; }

    /// <summary>Tells it from all others.</summary>
    internal Guid Id { get; }

    internal IObjectStore Store { get; }

    /// <summary>Where the threads of whoever works with it come from, and the clock.</summary>
    internal IThreads Threads { get; }

    internal RepositoryKey? Key { get; }

    internal PackReader Reader { get; }

    /// <summary>True when there is a repository in the store.</summary>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public static bool Exists(IObjectStore store) => RepositoryConfiguration.IsIn(store);

    /// <summary>Makes a repository in a store, encrypted if there is a secret.</summary>
    /// <param name="store">The store, which is disposed of with it.</param>
    /// <param name="secret">What is to unlock it.</param>
    /// <exception cref="RepositoryException">There is one already, or something else; or the store failed.</exception>
    public static Repository Create(IObjectStore store, RepositorySecret? secret) => Create(store, secret, SystemThreads.Instance);

    /// <summary>The same, with threads of other kinds.</summary>
    internal static Repository Create(IObjectStore store, RepositorySecret? secret, IThreads threads) =>
        new(store, threads, RepositoryConfiguration.Create(store, secret, threads));

    /// <summary>Opens the repository in a store, which is disposed of with it.</summary>
    /// <exception cref="RepositoryException">There is none, or the secret does not fit, or the store failed.</exception>
    public static Repository Open(IObjectStore store, RepositorySecret? secret) => Open(store, secret, SystemThreads.Instance);

    /// <summary>The same, with threads of other kinds.</summary>
    internal static Repository Open(IObjectStore store, RepositorySecret? secret, IThreads threads) =>
        new(store, threads, RepositoryConfiguration.Unlock(store, secret));

    /// <summary>The numbers of its images, ascending.</summary>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public IReadOnlyList<uint> ImageNumbers()
    {
        List<uint> numbers = [];
        foreach (StoredObject found in Store.List(ImagePrefix))
        {
            if (TryParseName(found.Name, out uint number)) numbers.Add(number);
        }

        numbers.Sort();
        return numbers;
    }

    /// <summary>Reads what is known of an image.</summary>
    /// <exception cref="ObjectMissingException">There is no such image.</exception>
    /// <exception cref="ObjectDamagedException">Its document is damaged.</exception>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public ImageManifest ReadImage(uint number)
    {
        string name = NameOf(number);
        ImageManifest image = SealedDocument.ReadJson(Store, name, Key, BackupJson.Default.ImageManifest);
        if (image.Number != number) throw new ObjectDamagedException(name, "it is the document of another image");
        return image.Device is { SizeSectors: > 0 and <= ImageMap.MaxSectors, BlockSizeSectors: > 0 }
            ? image
            : throw new ObjectDamagedException(name, "no device is of this size");
    }

    /// <summary>Bytes of everything in it.</summary>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public long StoredBytes() => Store.List(PackName.Prefix).Concat(Store.List(ImagePrefix)).Sum(found => found.Length);

    /// <summary>Finds an image by its number or label; null is the newest.</summary>
    /// <exception cref="RepositoryException">There is none, or it is from another time than the newest one, or the store
    /// failed.</exception>
    public ImageManifest FindImage(string? numberOrLabel)
    {
        IReadOnlyList<uint> numbers = ImageNumbers();
        if (numbers.Count == 0) throw new RepositoryException($"{Address}: holds no image");
        ImageManifest image = numberOrLabel is null ? ReadImage(numbers[^1]) : Find(numberOrLabel, numbers);
        if (!AcceptsMixedImages && new ImageChain(this, numbers).WhyStrange(image) is string why)
        {
            throw new RepositoryException($"{Address}: image {image.Number} does not belong to the others: {why}; the repository, or part "
                + "of it, was put back from a copy; --accept-mixed takes the image nevertheless");
        }

        return image;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Key?.Dispose();
        Store.Dispose();
    }

    internal static string NameOf(uint image) => $"{ImagePrefix}{image:D6}";

    /// <summary>Whether an object below <see cref="ImagePrefix"/> has the name of an image.</summary>
    internal static bool TryParseName(string name, out uint image) =>
        uint.TryParse(name.AsSpan(ImagePrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out image)
        && name.Equals(NameOf(image), StringComparison.Ordinal);

    /// <summary>The map of an image.</summary>
    internal ImageMap LoadMap(ImageManifest image)
    {
        RecordAddress address = default;
        if (image.Map.Length > 0)
        {
            int hash = image.Map.IndexOf('#', StringComparison.Ordinal);
            if (hash < 0 || !PackName.TryParse(image.Map[..hash], out PackName pack)
                || !uint.TryParse(image.Map.AsSpan(hash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out uint record))
            {
                throw new ObjectDamagedException(NameOf(image.Number), $"'{image.Map}' is no place for a map");
            }

            address = new RecordAddress(pack, record);
        }

        return ImageMap.Load(address, image.Device.SizeSectors, Reader);
    }

    /// <summary>Makes an image visible.</summary>
    /// <exception cref="RepositoryException">There is one of that number already, or the store failed.</exception>
    internal void Publish(ImageManifest image)
    {
        if (!Store.TryCreate(NameOf(image.Number), Seal(image)))
            throw new RepositoryException($"{Address}: image {image.Number} was made by another program meanwhile; try again");
    }

    /// <summary>Replaces the document of an image; for whoever has the repository for himself.</summary>
    internal void Republish(ImageManifest image) => Store.Put(NameOf(image.Number), Seal(image));

    /// <summary>How a manifest writes an address.</summary>
    internal static string Describe(RecordAddress address) =>
        address.IsEmpty ? "" : $"{address.Pack}#{address.Record.Value}";

    private ImageManifest Find(string numberOrLabel, IReadOnlyList<uint> numbers)
    {
        if (uint.TryParse(numberOrLabel, NumberStyles.None, CultureInfo.InvariantCulture, out uint number)
            && numbers.Contains(number))
        {
            return ReadImage(number);
        }

        int damaged = 0;
        foreach (uint candidate in numbers.Reverse())
        {
            try
            {
                if (ReadImage(candidate) is { } image && string.Equals(image.Label, numberOrLabel, StringComparison.Ordinal)) return image;
            }
            catch (ObjectDamagedException)
            {
                damaged++;
            }
        }

        string perhaps = damaged == 0 ? "" : $", unless it is one of {damaged} whose documents are damaged";
        throw new RepositoryException(
            $"{Address}: has no image '{numberOrLabel}'{perhaps}; 'era backups {Address}' lists what there is");
    }

    private byte[] Seal(ImageManifest image) => SealedDocument.Seal(
        NameOf(image.Number), JsonSerializer.SerializeToUtf8Bytes(image, BackupJson.Default.ImageManifest), Key);
}
