using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Target.History;
using DmEra.Tools.Check;
using DmEra.Tools.Dump;
using DmEra.Tools.Repair;
using DmEra.Tools.Restore;

namespace DmEra.Fuzz.Metadata;

/// <summary>One damaged image, shown to every tool.</summary>
internal sealed class MetadataCase
{
    private const int MostText = 32 << 20;

    private readonly Random _random;
    private readonly FuzzImage _image;
    private readonly uint _era;         // to ask for
    private readonly ImageMutator _mutator;
    private readonly MutatedImage _mutated;
    private readonly Coverage _coverage;

    private MetadataCase(Random random, FuzzImage image, Coverage coverage)
    {
        _random = random;
        _image = image;
        _coverage = coverage;
        _mutator = new ImageMutator(random, image);
        _mutated = _mutator.Mutate();
        _era = image.Eras[random.Next(image.Eras.Count)];
    }

    /// <summary>Makes a case and tries it.</summary>
    /// <exception cref="FuzzException">A tool did what it must not.</exception>
    public static void Run(Random random, IReadOnlyList<FuzzImage> images, Coverage coverage)
    {
        MetadataCase one = new(random, Pick(random, images), coverage);
        try
        {
            one.Try();
        }
        catch (Exception fault)
        {
            throw new FuzzException($"{one._image.Name}, {string.Join("; ", one._mutator.Changes)}: {fault.Message}", fault);
        }
    }

    // Most often a small one: it has as much to damage, and takes less time.
    private static FuzzImage Pick(Random random, IReadOnlyList<FuzzImage> images)
    {
        FuzzImage image;
        do image = images[random.Next(images.Count)];
        while (!image.IsSmall && random.Next(10) != 0);
        return image;
    }

    private void Try()
    {
        CheckReport report = MetadataChecker.Check(_mutated);
        MetadataChecker.CheckSuperblock(_mutated);
        TryLists(report);
        TryDumps(report);
        TryRepair();
        if (_random.Next(256) == 0) CommandLine.TryMetadata(_mutated.ToArray(), _era);
    }

    private void TryLists(CheckReport report)
    {
        CompareLists("list", report.IsTrustworthy, static device => EraHistory.Open(device), _image.Live);
        if (report.IsSnapshotTrustworthy is bool isTrustworthy)
            CompareLists("snapshot's list", isTrustworthy, static device => EraHistory.OpenSnapshot(device)!, _image.Snapshot);
    }

    private void CompareLists(
        string what, bool isTrustworthy, Func<IBlockDevice, EraHistory> open, Func<uint, WrittenBlocks> right)
    {
        WrittenBlocks? list = null;
        bool failed = Fails(() =>
        {
            using EraHistory history = open(_mutated);
            list = WrittenBlocks.Read(history, _era);
        });
        if (failed && isTrustworthy) throw new FuzzException($"check trusts the {what}, but it cannot be read");
        if (isTrustworthy && _mutator.CanBeTold && right(_era).FirstMissingIn(list!) is ulong block)
            throw new FuzzException($"check trusts the {what}, but block {block}, written since era {_era}, is missing");
        _coverage.Count($"metadata: {what} {(isTrustworthy ? "trusted" : "in doubt")}, {(_mutator.IsHonest ? "broken" : "forged")}");
    }

    private void TryDumps(CheckReport report)
    {
        MarkStyle style = _image.IsSmall && _random.Next(2) == 0 ? MarkStyle.Bits : MarkStyle.Marked;
        bool isLogical = _random.Next(2) == 0;
        bool failed = Fails(() =>
        {
            if (isLogical) MetadataDumper.DumpLogical(_mutated, Stream.Null);
            else MetadataDumper.Dump(_mutated, Stream.Null, style);
        });
        _coverage.Count(failed ? "metadata: dump refused" : "metadata: dumped");
        if (failed && report.IsTrustworthy) throw new FuzzException("check trusts it, but dump fails");
        if (_random.Next(4) != 0) return;

        using LimitedStream repaired = new(MostText);
        if (Fails(() => MetadataRepairer.Dump(_mutated, repaired, style, isLogical))) return;
        repaired.Position = 0;
        using FixedDevice restored = new();
        if (!Fails(() => MetadataRestorer.Restore(repaired, restored))) RequireNothingForgotten("dump --repair", restored);
    }

    private void TryRepair()
    {
        using FixedDevice output = new();
        if (Fails(() => MetadataRepairer.Repair(_mutated, output, new GeometryHint(null, null, null))))
        {
            _coverage.Count("metadata: repair refused");
            return;
        }

        _coverage.Count("metadata: repaired");
        RequireNothingForgotten("repair", output);
    }

    private void RequireNothingForgotten(string tool, IBlockDevice output)
    {
        CheckReport report = MetadataChecker.Check(output);
        if (report.Faults.Count > 0) throw new FuzzException($"{tool} made damaged metadata: {report.Faults[0]}");
        if (!_mutator.IsHonest) return;
        using EraHistory history = EraHistory.Open(output);
        if (_image.Live(_era).FirstMissingIn(WrittenBlocks.Read(history, _era)) is ulong block)
            throw new FuzzException($"{tool} forgot that block {block} was written since era {_era}");
    }

    // The ways in which a tool may end; any other is a finding.
    private static bool Fails(Action action)
    {
        try
        {
            action();
            return false;
        }
        catch (Exception fault) when (fault is MetadataException or IOException or UnsalvageableException or EraXmlException)
        {
            return true;
        }
    }
}
