using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Reading;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Target.Metadata;
using DmEra.Tools.Writing;

namespace DmEra.Tools.Check;

/// <summary>Looks into a superblock: the live one, or the copy that a metadata snapshot is.</summary>
internal static class SuperblockInspector
{
    private const uint CleanShutdown = 1;       // written by era_restore 1.x

    /// <summary>Reads and checks a superblock.</summary>
    /// <param name="reader">Reads it.</param>
    /// <param name="path">The way to it; its own address last.</param>
    /// <param name="list">The list that depends on it.</param>
    /// <param name="faults">Receives what is wrong.</param>
    /// <returns>null when it cannot be used.</returns>
    public static Superblock? Inspect(MetadataReader reader, IReadOnlyList<ulong> path, ChangeLists list, FaultLog faults)
    {
        string place = list == ChangeLists.Snapshot ? "metadata snapshot: superblock" : "superblock";
        ReadOnlySpan<byte> block;
        try
        {
            block = reader.Read(path[^1], SuperblockValidator.Instance);
        }
        catch (Exception fault) when (fault is MetadataCorruptException or DeviceException)
        {
            faults.Add(new Fault(FaultLevel.Damage, place, FaultLog.CauseOf(fault), path) { InDoubt = list });
            return null;
        }

        Superblock superblock = MemoryMarshal.Read<Superblock>(block);
        foreach ((FaultLevel level, string cause) in Findings(superblock, block))
            faults.Add(new Fault(level, place, cause, path));
        return superblock;
    }

    private static List<(FaultLevel Level, string Cause)> Findings(Superblock superblock, ReadOnlySpan<byte> block)
    {
        List<(FaultLevel, string)> findings = [];
        if (superblock.MetadataBlockSize != Superblock.ExpectedMetadataBlockSize)
            findings.Add((FaultLevel.Damage, $"metadata block size of {superblock.MetadataBlockSize} sectors, not 8"));
        if (!EraGeometry.IsPossibleBlockSize(superblock.DataBlockSize))
            findings.Add((FaultLevel.Damage, $"data block size of {superblock.DataBlockSize} sectors, not a multiple of 8"));
        if ((superblock.Flags & ~CleanShutdown) != 0)
            findings.Add((FaultLevel.Cosmetic, $"unknown flags {superblock.Flags}"));
        ReadOnlySpan<byte> spaceMapRoot = superblock.MetadataSpaceMapRoot;
        if (spaceMapRoot[Unsafe.SizeOf<SpaceMapRoot>()..].ContainsAnyExcept((byte)0)
            || block[Unsafe.SizeOf<Superblock>()..].ContainsAnyExcept((byte)0))
        {
            findings.Add((FaultLevel.Cosmetic, "unused bytes are not zero"));
        }

        return findings;
    }
}
