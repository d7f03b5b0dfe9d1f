using DmEra.Devices;

namespace DmEra.Target.Metadata;

/// <summary>Where the eras of a disk are kept unless somebody says otherwise: in <c>DISK.era</c>. A disk has one record, whatever
/// name it is called by.</summary>
public static class DefaultMetadata
{
    private const string Suffix = ".era";

    /// <summary>The path, whether it exists or not.</summary>
    /// <exception cref="IOException">There are several records, or there may be one that cannot be found.</exception>
    public static string Of(string origin)
    {
        if (TryFind(origin) is string found) return found;
        if (DiskNames.HasSeveral(origin))
        {
            throw new IOException($"{origin}: has other names (hard links), and may have a record beside one of them; say with "
                + "--metadata where its eras are kept");
        }

        return DiskNames.Of(origin)[^1] + Suffix;
    }

    /// <summary>The path, for messages.</summary>
    public static string NameOf(string origin) => Existing(origin).FirstOrDefault() ?? DiskNames.Of(origin)[^1] + Suffix;

    /// <summary>The path of what there is; null when there is none.</summary>
    /// <exception cref="IOException">There are several records.</exception>
    public static string? TryFind(string origin)
    {
        string[] found = [.. Existing(origin)];
        return found.Length <= 1 ? found.FirstOrDefault() : throw new IOException(
            $"{origin}: has several records, beside several of its names: {string.Join(" and ", found)}; each has missed what was written "
            + "under the other: say with --metadata which to use, and remove the others");
    }

    /// <summary>How the disk looks that metadata is the default of; the default when there is none, or it is no file.</summary>
    public static FileStamp OriginOf(string metadata)
    {
        if (!metadata.EndsWith(Suffix, StringComparison.Ordinal)) return default;
        try
        {
            using FileBlockDevice origin = FileBlockDevice.OpenShared(metadata[..^Suffix.Length]);
            return origin.Stamp();
        }
        catch (DeviceException)
        {
            return default;
        }
    }

    private static IEnumerable<string> Existing(string origin) =>
        DiskNames.Of(origin).Select(name => name + Suffix).Where(Path.Exists).DistinctBy(name => DiskNames.Of(name)[^1], StringComparer.Ordinal);
}
