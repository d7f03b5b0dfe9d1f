using DmEra.Devices;
using DmEra.PersistentData.Blocks;

namespace DmEra.Cli.Offline;

/// <summary>Opens metadata that a command line names, and puts its name into what is said of its faults.</summary>
internal static class MetadataFile
{
    private static ReadOnlySpan<byte> BeforeXml => [(byte)' ', (byte)'\n', (byte)'\r', (byte)'\t', 0xEF, 0xBB, 0xBF];

    /// <summary>Opens metadata at rest: nobody else may be writing it.</summary>
    /// <exception cref="CommandException">It cannot be opened, or is too small, or is XML.</exception>
    public static FileBlockDevice OpenAtRest(string path) => RequireMetadata(path, Open(path));

    /// <summary>Opens metadata that a running device may be writing.</summary>
    /// <exception cref="CommandException">It cannot be opened, or is too small, or is XML.</exception>
    public static FileBlockDevice OpenBesideWriter(string path) =>
        RequireMetadata(path, FileBlockDevice.OpenShared(path));

    /// <summary>Does something with metadata; what is wrong with it comes out with its name.</summary>
    /// <exception cref="CommandException">The metadata is damaged, full, or no snapshot any more.</exception>
    public static T Use<T>(string path, Func<T> use)
    {
        try
        {
            return use();
        }
        catch (MetadataCorruptException fault)
        {
            throw new CommandException($"{path}: {fault.Message}; 'era check {path}' tells what else is damaged");
        }
        catch (MetadataException fault)
        {
            throw new CommandException($"{path}: {fault.Message}");
        }
    }

    private static FileBlockDevice Open(string path)
    {
        try
        {
            return FileBlockDevice.OpenReadOnly(path);
        }
        catch (DeviceException fault) when (fault.Errno == Errno.EBUSY)
        {
            throw new CommandException($"{path}: in use; stop the device first, or read its metadata snapshot (era invalidate --metadata-snapshot)");
        }
    }

    private static FileBlockDevice RequireMetadata(string path, FileBlockDevice device)
    {
        try
        {
            if (device.Length < BlockManager.BlockSize)
                throw new CommandException($"{path}: too small; is this binary metadata?");
            Span<byte> start = stackalloc byte[16];
            device.Read(0, start);
            if (LooksLikeXml(start))
                throw new CommandException($"{path}: this looks like XML; 'era restore' makes metadata of it");
            return device;
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    // A superblock's checksum may begin with any byte; but the number of the block, 0, follows it.
    private static bool LooksLikeXml(ReadOnlySpan<byte> start) =>
        start.TrimStart(BeforeXml).StartsWith((byte)'<') && !start.Contains((byte)0);
}
