namespace DmEra.EndToEnd.Canaries;

/// <summary>A way to break the product: one piece of source replaced by another.</summary>
/// <param name="Name">What the broken build does wrong.</param>
/// <param name="File">The source file.</param>
/// <param name="Original">What stands there; just once, else the test fails and the canary needs care.</param>
/// <param name="Broken">What it is replaced by.</param>
internal sealed record Canary(string Name, string File, string Original, string Broken)
{
    /// <summary>All ways.</summary>
    public static readonly Canary[] All =
    [
        new(
            "writes the superblock before what it points at is flushed",
            "src/DmEra.PersistentData/SpaceMaps/MetadataStore.cs",
            "            Transactions.Blocks.Flush();\n\n            WriteSuperblock(fill);",
            "            WriteSuperblock(fill);"),
        new(
            "sets the in-core bits before the commit",
            "src/DmEra.Target/Mapping/EraTransactions.cs",
            "            if (!group.IsMarkedIn(writeset))\n            {\n",
            "            if (!group.IsMarkedIn(writeset))\n            {\n"
                + "                foreach (BlockRange blocks in group.Ranges) writeset.SetMarked(blocks);\n"),
        new(
            "does not wait for writes of the old era at a checkpoint",
            "src/DmEra.Target/Mapping/EraTarget.Eras.cs",
            "        last?.Writes.WaitUntilNone();\n        return next.Era;",
            "        return next.Era;"),
        new(
            "marks only the first block of a discard",
            "src/DmEra.Target/Mapping/EraDevice.cs",
            "MakeMarksDurable(writeset, offset, length);\n            origin.Trim",
            "MakeMarksDurable(writeset, offset, 1);\n            origin.Trim"),
        new(
            "uses blocks anew that were freed in the same transaction",
            "src/DmEra.PersistentData/SpaceMaps/CountBitmap.cs",
            "    private void Release(int position)\n    {\n",
            "    private void Release(int position)\n    {\n"
                + "        _held[position / EntriesPerWord] &= ~(1UL << Shift(position));\n"),
        new(
            "forgets the writeset of a device that crashed",
            "src/DmEra.Target/Metadata/EraMetadata.cs",
            "        _superblock = MemoryMarshal.Read<Superblock>(block.Data);\n",
            "        _superblock = MemoryMarshal.Read<Superblock>(block.Data);\n"
                + "        _superblock.CurrentWriteset.Root = 0;\n"),
        new(
            "builds on a superblock that only the system's cache may have",
            "src/DmEra.PersistentData/SpaceMaps/MetadataStore.cs",
            "            device.Write((long)SuperblockAddress * BlockManager.BlockSize, _committed);\n            device.Flush();\n",
            ""),
    ];

    /// <summary>Finds a way by its name.</summary>
    public static Canary Named(string name) => All.Single(canary => canary.Name == name);
}
