using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Numerics;

namespace DmEra.Target.Mapping;

/// <summary>
/// What <c>dmsetup status</c> tells of an era device: <c>START LENGTH era 8 USED/TOTAL ERA SNAPSHOT</c>, where the
/// last word is <c>-</c> when no metadata snapshot is held; or <c>START LENGTH era Fail</c> after a fault of the
/// metadata. All counts are those of the last commit.
/// </summary>
/// <param name="StartSectors">Where the target begins in its table.</param>
/// <param name="LengthSectors">Its length.</param>
/// <param name="IsFailed">The metadata failed; the fields behind this one hold what was known before.</param>
/// <param name="UsedMetadataBlocks">Metadata blocks of 4 KiB in use.</param>
/// <param name="TotalMetadataBlocks">Metadata blocks that the space map manages.</param>
/// <param name="CurrentEra">The era that writes are recorded in; 0 before the first resume.</param>
/// <param name="MetadataSnapshot">Metadata block of the snapshot superblock; 0 when none is held.</param>
public sealed record EraStatus(
    long StartSectors,
    long LengthSectors,
    bool IsFailed,
    ulong UsedMetadataBlocks,
    ulong TotalMetadataBlocks,
    uint CurrentEra,
    ulong MetadataSnapshot)
{
    private const int MetadataBlockSectors = 8;

    // As dm-thin and dm-cache say it. dm-era has no such state, and says Error when it cannot tell its sizes.
    private const string FailedWord = "Fail";
    private const string KernelErrorWord = "Error";

    /// <summary>Reads a status line, ours or the kernel's (without the device name that dmsetup puts before it).</summary>
    public static bool TryParse(string line, [NotNullWhen(true)] out EraStatus? status)
    {
        status = null;
        string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (words is not [string startWord, string lengthWord, "era", ..]
            || !TryParse(startWord, out long start) || !TryParse(lengthWord, out long length))
        {
            return false;
        }

        if (words is [_, _, _, FailedWord or KernelErrorWord])
        {
            status = new EraStatus(start, length, IsFailed: true, 0, 0, 0, 0);
            return true;
        }

        if (words is not [_, _, _, _, string usage, string eraWord, string snapshotWord]
            || usage.Split('/') is not [string usedWord, string totalWord]
            || !TryParse(usedWord, out ulong used) || !TryParse(totalWord, out ulong total)
            || !TryParse(eraWord, out uint era))
        {
            return false;
        }

        ulong snapshot = 0;
        if (snapshotWord is not "-" && !TryParse(snapshotWord, out snapshot)) return false;
        status = new EraStatus(start, length, IsFailed: false, used, total, era, snapshot);
        return true;
    }

    /// <summary>The status line.</summary>
    public override string ToString()
    {
        string target = $"{StartSectors} {LengthSectors} era";
        if (IsFailed) return $"{target} {FailedWord}";
        string snapshot = MetadataSnapshot == 0 ? "-" : MetadataSnapshot.ToString(CultureInfo.InvariantCulture);
        return $"{target} {MetadataBlockSectors} {UsedMetadataBlocks}/{TotalMetadataBlocks} {CurrentEra} {snapshot}";
    }

    private static bool TryParse<T>(string word, out T value)
        where T : struct, INumberBase<T> =>
        T.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
