using DmEra.Devices;

namespace DmEra.Nbd;

/// <summary>A device under the name by which clients ask for it.</summary>
/// <param name="Name">At most 4096 bytes of UTF-8. A server's only export is also found under the empty name.</param>
/// <param name="Device">Its length may change; clients learn of that when they connect anew.</param>
/// <param name="Contexts">The metadata contexts that clients can select.</param>
public sealed record NbdExport(string Name, IBlockDevice Device, IBlockStatusCatalog Contexts)
{
    /// <summary>A line for people, shown by <c>nbdinfo</c>.</summary>
    public string? Description { get; init; }

    /// <summary>Clients are asked to send requests whose offsets and lengths are multiples of this.</summary>
    public int MinimumBlock { get; init; } = 1;

    /// <summary>Finds other contexts of the device, which clients get instead when they ask for the export as
    /// <c>NAME@VIEW</c>; null when there is no such view.</summary>
    public Func<string, IBlockStatusCatalog?> Views { get; init; } = static _ => null;

    /// <summary>Refuses everything that writes.</summary>
    public bool IsReadOnly { get; init; }
}
