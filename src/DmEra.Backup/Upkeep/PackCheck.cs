using DmEra.Backup.Packs;
using DmEra.Backup.Stores;

namespace DmEra.Backup.Upkeep;

/// <summary>What is wrong with a pack.</summary>
/// <param name="Cause">The first thing found.</param>
/// <param name="Records">The records that cannot be restored; null when that is all of them.</param>
internal sealed record PackFault(string Cause, IReadOnlySet<int>? Records);

/// <summary>Reads packs as a whole and checks every byte. One thread at a time: it works in one pair of buffers.</summary>
/// <param name="store">Where the packs are.</param>
/// <param name="key">The repository's; null where nothing is encrypted.</param>
/// <param name="depth">Whether the content is restored as well.</param>
internal sealed class PackCheck(IObjectStore store, RepositoryKey? key, VerifyDepth depth)
{
    private const long LongestPack = 2 * (PackLimits.TargetLength + PackLimits.RecordLength);
    private const long UsualPack = PackLimits.TargetLength + (2 * PackLimits.CellLength);

    private byte[] _object = [];
    private byte[] _plain = [];

    /// <summary>Checks a pack.</summary>
    /// <returns>null when every byte is as it was written, or the pack is there no more.</returns>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public PackFault? Find(StoredObject found)
    {
        if (!PackName.TryParse(found.Name, out PackName name)) return new PackFault("it is not part of a repository", null);
        if (found.Length > LongestPack) return new PackFault("it is longer than any pack", null);
        try
        {
            if (_object.Length < found.Length) _object = new byte[Math.Max(found.Length, UsualPack)];
            int length = store.Read(found.Name, 0, _object.AsSpan(0, (int)found.Length));
            int front = PackDirectory.FrontLength(_object.AsSpan(0, length));
            if (front == 0 || front > length) return new PackFault("it is no pack, or cut short", null);
            PackDirectory pack = PackDirectory.Parse(name, _object.AsSpan(0, front), key);
            return pack.ObjectLength == length
                ? FindInRecords(pack)
                : new PackFault($"it has {length} bytes and should have {pack.ObjectLength}", null);
        }
        catch (ObjectMissingException)
        {
            // A backup has removed what an interrupted one left. If an image does need it, that is found with the image.
            return null;
        }
        catch (ObjectDamagedException fault)
        {
            return new PackFault(fault.Cause, null);
        }
    }

    private PackFault? FindInRecords(PackDirectory pack)
    {
        string? cause = null;
        HashSet<int> records = [];
        for (int record = 0; record < pack.Rows.Length; record++)
        {
            (long offset, int length) = pack.RangeOf(record);
            Span<byte> stored = _object.AsSpan((int)offset, length);
            try
            {
                if (depth == VerifyDepth.Stored) pack.Open(record, stored);
                else pack.Decode(record, stored, PlainOf(pack.Rows[record]));
            }
            catch (ObjectDamagedException fault)
            {
                cause ??= fault.Cause;
                records.Add(record);
            }
        }

        return cause is null ? null : new PackFault(cause, records);
    }

    private Span<byte> PlainOf(RecordRow row)
    {
        int length = (int)row.PlainLength.Value;
        if (_plain.Length < length) _plain = new byte[length];
        return _plain.AsSpan(0, length);
    }
}
