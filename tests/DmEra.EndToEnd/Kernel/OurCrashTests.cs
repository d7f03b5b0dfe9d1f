using DmEra.Devices;
using DmEra.EndToEnd.Vm;
using DmEra.Fuzz.Content;
using DmEra.Target.History;
using DmEra.Tests;
using DmEra.Tests.Golden;

namespace DmEra.EndToEnd.Kernel;

/// <summary>We die at some flush of the metadata, and the kernel opens what we leave.</summary>
public sealed class OurCrashTests
{
    private const int MetadataBytes = 2 << 20;
    private const int CrashPoints = 6;

    // With the longer device the writesets, too, have blocks that are one, so many references to one at least.
    [Theory, InlineData(2048, 1), InlineData(100_000, 50)]
    public void The_kernel_loses_nothing_that_we_acknowledged_before_we_died(uint blockCount, uint references)
    {
        using TempFolder folder = new();
        string origin = folder.Sparse("origin", blockCount * 65536L);
        List<(byte[] Image, WriteLog Log)> crashes = RunAndKeepEveryFlush(origin, blockCount);
        Assert.InRange(ContentReader.Read(new MemoryStream(crashes[^1].Image)).MostReferences, references, uint.MaxValue);
        GuestDisk[] metadata = new GuestDisk[CrashPoints];
        for (int i = 0; i < CrashPoints; i++)
        {
            File.WriteAllBytes(folder[$"meta{i}"], PointOf(i).Image);
            metadata[i] = GuestDisk.File($"meta{i}", folder[$"meta{i}"]);
        }

        using Guest guest = Guest.Boot([GuestDisk.File("origin", origin), .. metadata]);
        for (int i = 0; i < CrashPoints; i++)
        {
            WriteLog log = PointOf(i).Log;
            KernelEra kernel = new(guest, log, blockCount, $"meta{i}");
            log.GoOnFrom(kernel.Status.CurrentEra, blockCount);
            kernel.Write(5, blockCount - 48);
            kernel.Checkpoint();
            kernel.Write(6);
            kernel.Remove();
            log.AssertIsCoveredBy(folder[$"meta{i}"]);
            ContentReader.Read(folder[$"meta{i}"]);
        }

        (byte[] Image, WriteLog Log) PointOf(int i) => crashes[(crashes.Count - 1) * i / (CrashPoints - 1)];
    }

    [Theory, InlineData("undigested"), InlineData("many-writesets")]
    public void The_kernel_takes_back_a_backlog_of_writesets_that_we_had_only_just_opened(string golden)
    {
        GoldenImage image = GoldenImage.Load(golden);
        using TempFolder folder = new();
        using MemoryBlockDevice memory = new(image.Metadata);
        uint era;
        uint blockCount;
        using (EraHistory history = EraHistory.Open(memory)) (era, blockCount) = (history.CurrentEra, history.NrBlocks);
        string origin = folder.Sparse("origin", blockCount * 65536L);

        // The first commit of ours, with which the next era begins, before any digestion.
        byte[]? left = null;
        FlushHook metadata = new(memory, () => left ??= ImageSince(era + 1, memory));
        using (OurEra ours = new(OurEra.OnDevices(metadata, origin, blockCount), new WriteLog(), blockCount)) ours.Remove();
        File.WriteAllBytes(folder["meta"], left!);

        WriteLog log = new();
        using Guest guest = Guest.Boot(GuestDisk.File("origin", origin), GuestDisk.File("meta", folder["meta"]));
        log.GoOnFrom(era + 1, blockCount);
        KernelEra kernel = new(guest, log, blockCount);
        Assert.Equal(log.Era, kernel.Status.CurrentEra);
        kernel.Write(3);
        kernel.Remove();

        Oracle.EraCheck(folder["meta"]);
        foreach ((uint since, IReadOnlyList<(uint, uint)> written) in image.WrittenSince())
        {
            Assert.Equal(
                Oracle.Blocks(written).Union(log.WrittenSince(since)).Order(),
                Oracle.Blocks(Oracle.EraInvalidate(folder["meta"], since)));
        }
    }

    private static byte[]? ImageSince(uint era, MemoryBlockDevice metadata)
    {
        using (EraHistory history = EraHistory.Open(metadata))
            if (history.CurrentEra < era) return null;
        byte[] image = new byte[metadata.Length];
        metadata.Read(0, image);
        return image;
    }

    private static List<(byte[] Image, WriteLog Log)> RunAndKeepEveryFlush(string origin, uint blockCount)
    {
        List<(byte[], WriteLog)> crashes = [];
        WriteLog log = new();
        MemoryBlockDevice memory = new(MetadataBytes);
        FlushHook metadata = new(memory, () =>
        {
            byte[] image = new byte[MetadataBytes];
            memory.Read(0, image);
            crashes.Add((image, new WriteLog(log)));
        });
        using OurEra ours = new(OurEra.OnDevices(metadata, origin, blockCount), log, blockCount);
        for (uint era = 1; era <= 8; era++)
        {
            ours.Write(era, 100, 1000 + era, blockCount - (era * 200));
            if (era % 3 == 0) ours.TakeMetadataSnapshot();
            else ours.Checkpoint();
            ours.Write(100, 200 + era);
            if (era % 3 == 0) ours.DropMetadataSnapshot();
        }

        ours.Remove();
        return crashes;
    }
}
