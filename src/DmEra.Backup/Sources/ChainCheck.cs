using DmEra.Backup.Images;
using DmEra.Backup.Maps;
using DmEra.Backup.Packs;
using DmEra.Backup.Reading;
using DmEra.Backup.Stores;
using DmEra.Target.Chronicles;
using DmEra.Target.History;
using DmEra.Target.Tracking;

namespace DmEra.Backup.Sources;

/// <summary>
/// Makes sure that a device is the one an image was taken of, and that its metadata has recorded every write since. In doubt
/// it refuses: an increment that names one block too few is worse than a new full image.
/// </summary>
/// <param name="repository">The repository.</param>
/// <param name="parent">The image.</param>
/// <param name="source">The device.</param>
/// <param name="remedy">What to do if it does not fit, for people.</param>
internal sealed class ChainCheck(Repository repository, ImageManifest parent, ITrackedDevice source, string remedy)
{
    private const int Samples = 12;

    /// <summary>Checks.</summary>
    /// <returns>What could not be checked, for people; null when nothing.</returns>
    /// <exception cref="RepositoryException">The device does not fit the image.</exception>
    public string? Require()
    {
        DeviceIdentity before = parent.Device;
        DeviceIdentity now = source.Device;
        bool isKnown = before.Lineage is not null && now.Lineage is not null;
        if (isKnown && before.Lineage != now.Lineage)
            throw Refusal($"it is of another device (lineage {before.Lineage}, not {now.Lineage})");
        if (before.BlockSizeSectors != now.BlockSizeSectors)
            throw Refusal($"it has blocks of {before.BlockSizeSectors} sectors; this device's have {now.BlockSizeSectors}");
        if (!isKnown && before.SizeSectors != now.SizeSectors)
        {
            throw Refusal($"it has {before.SizeSectors} sectors and this device {now.SizeSectors}, "
                + "and the metadata has no lineage that would tell whether they are the same device");
        }

        if (source.CurrentEra < parent.LastEra)
        {
            throw Refusal($"it was taken at era {parent.LastEra} and the metadata is at era {source.CurrentEra}: "
                + "older, as after restoring it from a copy, or of another device");
        }

        RequireSameHistory();
        RequireWitness();
        RequireSameContent();
        return isKnown ? null : "the metadata has no lineage, as the kernel blanks it: whether it belongs to the images "
            + "in the repository was judged by sizes, eras and samples";
    }

    private void RequireSameHistory()
    {
        uint moment = parent.Next?.Era ?? parent.LastEra + 1;
        bool isMoment = parent.Next is EraMark next && next.IsKnownAs(source.MarkOf(next.Era));
        // At the very moment of the image a gap is before or after it: the mark tells.
        if (source.Gap > moment || (source.Gap == moment && !isMoment))
        {
            throw Refusal($"before era {source.Gap} began, the origin was changed by something else, or metadata was put back from a "
                + "copy: writes are missing in the record");
        }

        if (parent.Next is not null && !isMoment)
        {
            throw Refusal($"the history that it is of went on with another era {moment}: the metadata was put back from a copy, or "
                + "is a clone's, or its chronicle was lost");
        }
    }

    // A block cannot have been written last before an era in which it was written.
    private void RequireWitness()
    {
        if (parent.Witness is not { } witness) return;
        // Of what a device has lost by being shortened nothing is known any more.
        long blocks = ((source.Device.SizeSectors - 1) / source.Device.BlockSizeSectors) + 1;
        HashSet<uint> missing = [.. witness.Blocks.Where(block => block < blocks)];
        foreach (BlockRange range in source.WrittenSince(witness.Era)) missing.RemoveWhere(block => IsIn(block, range));
        if (missing.Count > 0)
        {
            throw Refusal($"block {missing.Min()} was written in era {witness.Era} or later, "
                + "of which the metadata knows nothing: it was restored from a copy, or is of another device");
        }
    }

    // What the metadata says was not written must be as it was: a few blocks of it are looked at.
    private void RequireSameContent()
    {
        using ImageDevice image = ImageDevice.OpenLocked(repository, parent);
        int blockBytes = (int)Math.Min((long)source.Device.BlockSizeSectors * RecordRow.SectorSize, PackLimits.CellLength);
        HashSet<uint> blocks = ChooseSamples();
        byte[] then = new byte[blockBytes];
        byte[] now = new byte[blockBytes];
        Unwritten(blocks);
        foreach (uint block in blocks.ToArray())
        {
            long offset = (long)block * source.Device.BlockSizeSectors * RecordRow.SectorSize;
            int length = (int)Math.Min(blockBytes, Math.Min(image.Length, source.Origin.Length) - offset);
            if (length <= 0) continue;
            image.ReadContent(offset, then.AsSpan(0, length));
            source.Origin.Read(offset, now.AsSpan(0, length));
            if (then.AsSpan(0, length).SequenceEqual(now.AsSpan(0, length))) blocks.Remove(block);
        }

        // A device in use may have been written to in between.
        Unwritten(blocks);
        if (blocks.Count > 0)
        {
            throw Refusal($"block {blocks.Min()} is not as it was, and the metadata knows of no write to it: "
                + "it is the metadata of another device, or the origin was written to behind its back");
        }
    }

    private void Unwritten(HashSet<uint> blocks)
    {
        if (blocks.Count == 0) return;
        foreach (BlockRange range in source.WrittenSince(parent.LastEra + 1)) blocks.RemoveWhere(block => IsIn(block, range));
    }

    private HashSet<uint> ChooseSamples()
    {
        HashSet<uint> blocks = [];
        ImageMap map = repository.LoadMap(parent);
        long[] regions = [.. map.Regions.Select(region => region.Key)];
        if (regions.Length == 0) return blocks;
        // Other places for each image; the same when it is tried again.
        Random random = new(parent.Id.GetHashCode());
        for (int i = 0; i < Samples; i++)
        {
            List<MapExtent> extents = map.Region(regions[random.Next(regions.Length)]);
            MapExtent extent = extents[random.Next(extents.Count)];
            blocks.Add((uint)((extent.First + random.Next(extent.Count)) / parent.Device.BlockSizeSectors));
        }

        return blocks;
    }

    private static bool IsIn(uint block, BlockRange range) => block >= range.Begin && block < range.End;

    private RepositoryException Refusal(string reason) => new(
        $"{repository.Address}: image {parent.Number} and {source.Device.Name} do not belong together: {reason}; {remedy}");
}
