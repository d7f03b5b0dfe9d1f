using DmEra.EndToEnd.Vm;
using DmEra.Target.Mapping;
using DmEra.Tests;

namespace DmEra.EndToEnd.Kernel;

/// <summary>Our status lines and the kernel's, step by step.</summary>
public sealed class StatusTests
{
    private const uint BlockCount = 1024;
    private const long OriginBytes = 2 * BlockCount * 65536L;

    [Fact]
    public void Ours_and_the_kernels_status_agree_after_every_step()
    {
        using TempFolder folder = new();
        string metadata = folder.Sparse("meta", 4 << 20);
        string origin = folder.Sparse("origin", OriginBytes);

        using Guest guest = Guest.Boot(GuestDisk.File("meta", metadata), GuestDisk.File("origin", origin));
        KernelEra kernel = new(guest, new WriteLog(), BlockCount);
        using OurEra ours = new(folder.Sparse("our-meta", 4 << 20), folder.Sparse("our-origin", OriginBytes), new WriteLog(), BlockCount);

        AssertAgree("created", "0 131072 era 8 10/1024 1 -");
        After("a first write", run => run.Write(5), "0 131072 era 8 10/1024 1 -");
        After("a second write", run => run.Write(5), "0 131072 era 8 10/1024 1 -");
        After("a checkpoint", run => run.Checkpoint(), "0 131072 era 8 10/1024 2 -");
        After("an empty era", run => run.Checkpoint(), "0 131072 era 8 10/1024 3 -");
        After("taking a snapshot", run => run.TakeMetadataSnapshot(), null);
        After("a write", run => run.Write(6), null);
        After("dropping the snapshot", run => run.DropMetadataSnapshot(), "0 131072 era 8 10/1024 4 -");
        After("growing", run => run.Reload(2 * BlockCount), "0 262144 era 8 11/1024 5 -");
        After("shrinking", run => run.Reload(1000), "0 128000 era 8 9/1024 6 -");

        void After(string step, Action<EraRun> take, string? digested)
        {
            take(kernel);
            take(ours);
            AssertAgree(step, digested);
        }

        void AssertAgree(string step, string? digested)
        {
            EraStatus theirs = kernel.Status;
            Assert.True(theirs with { UsedMetadataBlocks = 0, MetadataSnapshot = 0 }
                == ours.Status with { UsedMetadataBlocks = 0, MetadataSnapshot = 0 }, $"{step}: {theirs} and {ours.Status}");
            Assert.Equal(theirs.MetadataSnapshot == 0, ours.Status.MetadataSnapshot == 0);
            if (digested is null) return;
            Eventually.Equal(digested, () => kernel.Status.ToString(), step);
            Eventually.Equal(digested, () => ours.Status.ToString(), step);
        }
    }
}
