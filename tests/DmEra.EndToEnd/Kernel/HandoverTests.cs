using DmEra.EndToEnd.Vm;
using DmEra.Tests;

namespace DmEra.EndToEnd.Kernel;

/// <summary>Metadata passes from our target to the kernel's and back: the other side goes on where it was left, and
/// in the end every mark is there, and no other.</summary>
public sealed class HandoverTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly WriteLog _log = new();
    private readonly string _metadata;
    private readonly string _origin;

    public HandoverTests()
    {
        _metadata = _folder.Sparse("meta", 16 << 20);
        _origin = _folder.Sparse("origin", Histories.OriginBytes);
    }

    public static TheoryData<string> Names => Histories.Names;

    [Theory, MemberData(nameof(Names))]
    public void The_kernel_goes_on_where_we_left(string history)
    {
        using (OurEra ours = new(_metadata, _origin, _log, Histories.BlockCount)) Histories.Play(history, ours);
        _log.AssertIsIn(_metadata);

        using Guest guest = BootGuest();
        GoOn(new KernelEra(guest, _log, _log.BlockCount), _metadata);
        guest.CutPower();
        _log.AssertIsIn(_metadata);
    }

    [Theory, MemberData(nameof(Names))]
    public void We_go_on_where_the_kernel_left(string history)
    {
        using (Guest guest = BootGuest())
        {
            KernelEra kernel = new(guest, _log, Histories.BlockCount);
            Histories.Play(history, kernel);
            kernel.Remove();
        }

        _log.AssertIsIn(_metadata);

        using OurEra ours = new(_metadata, _origin, _log, _log.BlockCount);
        GoOn(ours, _metadata);
        _log.AssertIsIn(_metadata);
    }

    [Fact]
    public void The_kernel_goes_on_with_metadata_that_has_grown_under_us()
    {
        string metadata = _folder.Sparse("small", 128 * 1024);
        using (OurEra ours = new(metadata, _origin, _log, Histories.BlockCount)) Histories.Play("grown", ours);
        Assert.True(new FileInfo(metadata).Length > 128 * 1024);
        _log.AssertIsIn(metadata);

        using Guest guest = Guest.Boot(GuestDisk.File("meta", metadata), GuestDisk.File("origin", _origin));
        GoOn(new KernelEra(guest, _log, _log.BlockCount), metadata);
        _log.AssertIsIn(metadata);
    }

    public void Dispose() => _folder.Dispose();

    private Guest BootGuest() => Guest.Boot(GuestDisk.File("meta", _metadata), GuestDisk.File("origin", _origin));

    private static void GoOn(EraRun run, string metadata)
    {
        Assert.Equal(run.Log.Era, run.Status.CurrentEra);
        run.Write(3, 100, 998);
        run.Checkpoint();
        if (run.Status.MetadataSnapshot != 0) run.DropMetadataSnapshot();
        run.Write(4, 200);
        run.TakeMetadataSnapshot();
        run.Write(5, 300);
        run.Checkpoint();
        Assert.NotEqual(0u, run.Status.MetadataSnapshot);
        run.DropMetadataSnapshot();
        run.Write(6);
        run.Reload(run.Log.BlockCount + 100);
        run.Write(run.Log.BlockCount - 1);
        Assert.Equal(run.Log.Era, run.Status.CurrentEra);
        if (run.Log.BlockCount < 100_000) run.AwaitDigestion(metadata);
        run.Remove();
    }
}
