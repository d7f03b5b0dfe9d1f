using System.Text.RegularExpressions;

namespace DmEra.EndToEnd.Canaries;

/// <summary>A way to break the product, to be woven into a copy of its sources and switched on by its name.</summary>
/// <param name="Name">What the product does wrong while it is on.</param>
/// <param name="File">The source file.</param>
/// <param name="Healthy">What stands there, and just once; how it is broken into lines does not matter.</param>
/// <param name="Woven">What stands there instead, where <c>BROKEN</c> asks whether it is on.</param>
/// <param name="Hunt">Who is to find it.</param>
internal sealed record Canary(string Name, string File, string Healthy, string Woven, Hunt Hunt)
{
    /// <summary>All ways.</summary>
    public static readonly Canary[] All =
    [
        new(
            "writes the superblock before what it points at is flushed",
            "src/DmEra.PersistentData/SpaceMaps/MetadataStore.cs",
            "Transactions.Blocks.Flush(); WriteSuperblock(fill);",
            "if (!BROKEN) Transactions.Blocks.Flush(); WriteSuperblock(fill);",
            Hunt.SmallWorld),
        new(
            "sets the in-core bits before the commit",
            "src/DmEra.Target/Mapping/EraTransactions.cs",
            "if (!group.IsMarkedIn(writeset)) {",
            "if (!group.IsMarkedIn(writeset)) { if (BROKEN) { foreach (BlockRange blocks in group.Ranges) writeset.SetMarked(blocks); }",
            Hunt.Worlds),
        new(
            "does not wait for writes of the old era at a checkpoint",
            "src/DmEra.Target/Mapping/EraTarget.Eras.cs",
            "last?.Writes.WaitUntilNone(); return next.Era;",
            "if (!BROKEN) last?.Writes.WaitUntilNone(); return next.Era;",
            Hunt.Worlds),
        new(
            "marks only the first block of a discard",
            "src/DmEra.Target/Mapping/EraDevice.cs",
            "MakeMarksDurable(writeset, offset, length); origin.Trim",
            "MakeMarksDurable(writeset, offset, BROKEN ? 1 : length); origin.Trim",
            Hunt.SmallWorld),
        new(
            "uses blocks anew that were freed in the same transaction",
            "src/DmEra.PersistentData/SpaceMaps/CountBitmap.cs",
            "private void Release(int position) {",
            "private void Release(int position) { if (BROKEN) _held[position / EntriesPerWord] &= ~(1UL << Shift(position));",
            Hunt.SmallWorld),
        new(
            "forgets the writeset of a device that crashed",
            "src/DmEra.Target/Metadata/EraMetadata.cs",
            "_superblock = MemoryMarshal.Read<Superblock>(block.Data);",
            "_superblock = MemoryMarshal.Read<Superblock>(block.Data); if (BROKEN) _superblock.CurrentWriteset.Root = 0;",
            Hunt.SmallWorld),
        new(
            "builds on a superblock that only the system's cache may have",
            "src/DmEra.PersistentData/SpaceMaps/MetadataStore.cs",
            "device.Write((long)SuperblockAddress * BlockManager.BlockSize, _committed); device.Flush();",
            "if (!BROKEN) { device.Write((long)SuperblockAddress * BlockManager.BlockSize, _committed); device.Flush(); }",
            Hunt.SmallWorld),
    ];

    /// <summary>Finds a way by its name.</summary>
    public static Canary Named(string name) => All.Single(canary => canary.Name == name);

    /// <summary>Weaves it into the text of its file.</summary>
    /// <exception cref="InvalidOperationException">Its place is not there, or not alone.</exception>
    public string Weave(string source)
    {
        string[] words = Healthy.Split(' ');
        MatchCollection places = Regex.Matches(source, string.Join(@"\s+", words.Select(Regex.Escape)));
        if (places is not [Match place])
            throw new InvalidOperationException($"{File} has {places.Count} places to weave in what '{Name}', not one");
        string woven = Woven.Replace("BROKEN", $"DmEra.Devices.Canary.Is(\"{Name}\")", StringComparison.Ordinal);
        return $"{source[..place.Index]}{woven}{source[(place.Index + place.Length)..]}";
    }
}

/// <summary>Ways to look for a canary.</summary>
internal enum Hunt
{
    /// <summary>All short sequences in a small world.</summary>
    SmallWorld,

    /// <summary>Random worlds from a fixed seed on.</summary>
    Worlds,
}
