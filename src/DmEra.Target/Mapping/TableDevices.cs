using DmEra.Devices;

namespace DmEra.Target.Mapping;

/// <summary>The devices of a table, opened and held against it. The kernel opens them without a lock and
/// compares neither names nor sizes.</summary>
internal static class TableDevices
{
    private const string MetadataFault = "Error opening metadata device";
    private const string OriginFault = "Error opening data device";

    /// <summary>Opens both for writing, and locks out everybody else.</summary>
    public static (FileBlockDevice Metadata, FileBlockDevice Origin) Open(EraTable table)
    {
        FileBlockDevice metadata = OpenMetadata(table);
        try
        {
            if (IsSame(metadata, table.OriginPath)) throw Same(table);
            return (metadata, Open(table.OriginPath, OriginFault));
        }
        catch
        {
            metadata.Dispose();
            throw;
        }
    }

    /// <summary>Opens the metadata device alone, for an origin that is no file of this machine.</summary>
    public static FileBlockDevice OpenMetadata(EraTable table) => Open(table.MetadataPath, MetadataFault);

    public static void RequireDifferent(EraTable table, IBlockDevice metadata, IBlockDevice origin)
    {
        if (ReferenceEquals(metadata, origin)) throw Same(table);
    }

    /// <summary>Throws when the origin is shorter than the table, after looking again: it may have been extended.</summary>
    /// <exception cref="EraTargetException">It is too short, or cannot be asked.</exception>
    public static void RequireLength(EraTable table, IBlockDevice origin)
    {
        try { (origin as IRefreshable)?.RefreshLength(); }
        catch (DeviceException fault) { throw Faults.Explain(OriginFault, table.OriginPath, fault); }

        if (origin.Length < table.LengthBytes)
        {
            throw new EraTargetException(
                $"{OriginFault}: {table.OriginPath} has {origin.Length / EraTable.SectorSize} sectors, "
                    + $"the table {table.LengthSectors}; make it longer, or the table shorter",
                Errno.EINVAL);
        }
    }

    private static FileBlockDevice Open(string path, string fault)
    {
        try { return FileBlockDevice.Open(path); }
        catch (DeviceException cause) { throw Faults.Explain(fault, path, cause); }
    }

    // Asked before the origin is locked: a file that is locked as metadata would seem to be in use by another.
    private static bool IsSame(FileBlockDevice metadata, string originPath)
    {
        try
        {
            using FileBlockDevice origin = FileBlockDevice.OpenShared(originPath);
            return metadata.IsSameAs(origin);
        }
        catch (DeviceException cause) { throw Faults.Explain(OriginFault, originPath, cause); }
    }

    private static EraTargetException Same(EraTable table) =>
        new($"{OriginFault}: {table.OriginPath} is the metadata device as well; give the metadata a file of its own",
            Errno.EINVAL);
}
