using DmEra.EndToEnd.Vm;
using DmEra.Fuzz.Content;
using DmEra.Tests;

namespace DmEra.EndToEnd.Kernel.SharedLeaves;

/// <summary>
/// The kernel is given metadata in which equal blocks of arrays are one block, as a crash left it, and all that can be done with a
/// device is done. At every rest the kernel's log is silent, all counts are exact, and each block has the era in which it was
/// last written; in the end it is handed to us.
/// </summary>
internal sealed class Takeover : IDisposable
{
    private const long OriginBytes = 1L << 47;
    private const uint Growth = 70_000;
    private const uint Shrunk = 40_000;

    private readonly TempFolder _folder = new();
    private readonly GuestMachine _machine;
    private readonly EraContent _content;

    public Takeover(GuestMachine machine, EraContent content)
    {
        _machine = machine;
        _content = content;
    }

    /// <summary>The same steps with shared blocks and without: in the end era_dump says the same of both.</summary>
    public void GoOnAsIfNothingWereShared()
    {
        HandmadeMetadata shared = Make("shared"), plain = Make("plain", isShared: false);
        Assert.Equal(Oracle.EraDump(plain.Path), Oracle.EraDump(shared.Path));
        using (Guest guest = Boot(shared, plain))
        {
            GoOn(guest, shared);
            GoOn(guest, plain);
        }

        Assert.Equal(Oracle.EraDump(plain.Path), Oracle.EraDump(shared.Path));
        HandToUs(shared);
    }

    /// <summary>The power is cut, and the kernel opens what it left; and it finds a device of another length.</summary>
    public void LosePowerAndChangeLength()
    {
        HandmadeMetadata cut = Make("cut"), grown = Make("grown"), shrunk = Make("shrunk");
        using (Guest guest = Boot(cut, grown, shrunk))
        {
            Resize(guest, grown, _content.NrBlocks + Growth, Shrunk);
            Resize(guest, shrunk, Shrunk, _content.NrBlocks);

            KernelEra kernel = new(guest, cut.Log, _content.NrBlocks, cut.Name);
            kernel.Write(0, 32576, 32577, _content.NrBlocks - 1);
            kernel.Checkpoint();
            kernel.Write(1, 2, 40_000);
            Assert.Equal("", KernelEra.TakeComplaints(guest));
            guest.CutPower();
        }

        cut.AssertIsWhole("after the power cut");
        using (Guest guest = Boot(cut))
        {
            KernelEra kernel = new(guest, cut.Log, _content.NrBlocks, cut.Name);
            kernel.Write(0, 70_000);
            kernel.Checkpoint();
            Remove(guest, kernel, cut);
        }

        HandToUs(cut);
    }

    /// <summary>As much as can be done in a short time with a device whose indexes are deep.</summary>
    public void GoOnWithDeepIndexes()
    {
        uint last = _content.NrBlocks - 1;
        HandmadeMetadata deep = Make("deep", spareBlocks: 2_000_000);
        using (Guest guest = Boot(deep))
        {
            KernelEra kernel = new(guest, deep.Log, _content.NrBlocks, deep.Name);
            kernel.Write(0, 5, _content.NrBlocks / 3, last);
            kernel.Checkpoint();
            kernel.Write(7, _content.NrBlocks / 2);
            deep.Resize(_content.NrBlocks / 4 * 3);
            kernel.Reload(_content.NrBlocks / 4 * 3);
            kernel.Write(8);
            Assert.Equal("", KernelEra.TakeComplaints(guest));
            guest.CutPower();
        }

        deep.AssertIsWhole("after the power cut");
    }

    /// <summary>With so few free blocks, writes fail one after the other. What is on the disk stays whole, and has every write that
    /// succeeded. Nothing is asked of the kernel afterwards: out of space it leaves a block locked, and dies of it when the
    /// device is removed, shared or not.</summary>
    public void RunOutOfRoom(ulong spareBlocks)
    {
        HandmadeMetadata full = Make("full", spareBlocks: spareBlocks);
        using (Guest guest = Boot(full))
        {
            KernelEra kernel = new(guest, full.Log, _content.NrBlocks, full.Name);
            foreach (string written in guest.Lines(
                $"""
                for block in $(seq 0 2036 {_content.NrBlocks - 1}); do
                    dd if=/dev/zero of=/dev/mapper/era0 bs=4096 count=1 seek=$((block * {EraRun.BlockSectors / 8})) \
                        oflag=direct conv=notrunc status=none 2>/dev/null && echo $block
                done
                true
                """)) full.Log.Add(uint.Parse(written));
            // Digestion, which a status moves on, unshares as well.
            Eventually.Equal("True", () => $"{IsOutOfRoom(guest)}", "out of room");
            guest.RunToFailure("dmsetup message era0 0 checkpoint");
            guest.CutPower();
        }

        full.AssertIsWhole("without room");
        HandToUs(full);
    }

    public void Dispose() => _folder.Dispose();

    private HandmadeMetadata Make(string name, bool isShared = true, ulong spareBlocks = 2000) =>
        new(_folder[name], _content, isShared, spareBlocks);

    private Guest Boot(params HandmadeMetadata[] metadata)
    {
        Guest guest = Guest.Boot(
            _machine, [GuestDisk.Null("origin", OriginBytes), .. metadata.Select(one => GuestDisk.File(one.Name, one.Path))]);
        KernelEra.TakeComplaints(guest);
        return guest;
    }

    private void GoOn(Guest guest, HandmadeMetadata metadata)
    {
        uint last = _content.NrBlocks - 1;
        KernelEra kernel = new(guest, metadata.Log, _content.NrBlocks, metadata.Name);
        if (kernel.Status.MetadataSnapshot != 0) kernel.DropMetadataSnapshot();
        kernel.Write(0, 4, 32576, 70_001, last);
        kernel.Checkpoint();
        kernel.Write(5, 32576, 70_100);
        kernel.AwaitDigestion(metadata.Path);
        kernel.TakeMetadataSnapshot();
        kernel.Write(6, 40_000, 90_000);
        kernel.Checkpoint();
        kernel.AwaitDigestion(metadata.Path);
        kernel.DropMetadataSnapshot();
        kernel.Write(7, 50_000);
        kernel.Reload(_content.NrBlocks);       // suspended and resumed, with the same length
        kernel.Write(8);
        kernel.AwaitDigestion(metadata.Path);
        Remove(guest, kernel, metadata);
    }

    private static void Resize(Guest guest, HandmadeMetadata metadata, params uint[] lengths)
    {
        metadata.Resize(lengths[0]);
        KernelEra kernel = new(guest, metadata.Log, lengths[0], metadata.Name);
        foreach (uint length in lengths)
        {
            if (length != kernel.Log.BlockCount)
            {
                // Bits of an old writeset behind the end come back when the device becomes longer again: so none may be left.
                kernel.AwaitDigestion(metadata.Path);
                metadata.Resize(length);
                kernel.Reload(length);
            }

            kernel.Write(0, 32576, length - 1);
            if (kernel.Status.MetadataSnapshot != 0) kernel.DropMetadataSnapshot();
            kernel.Checkpoint();
            kernel.Write(1);
        }

        Remove(guest, kernel, metadata);
    }

    private static bool IsOutOfRoom(Guest guest)
    {
        guest.Run("dmsetup status era0 || true");
        return KernelEra.TakeComplaints(guest).Contains("unable to allocate new metadata block", StringComparison.Ordinal);
    }

    private static void Remove(Guest guest, KernelEra kernel, HandmadeMetadata metadata)
    {
        kernel.Remove();
        Assert.Equal("", KernelEra.TakeComplaints(guest));
        metadata.AssertIsWhole("after the kernel");
    }

    private void HandToUs(HandmadeMetadata metadata)
    {
        using (OurEra ours = new(metadata.Path, _folder.Sparse("origin", 1L << 36), metadata.Log, metadata.Log.BlockCount))
        {
            ours.Write(9, 32577, metadata.Log.BlockCount - 2);
            ours.Checkpoint();
            ours.Write(10);
            ours.Remove();
        }

        metadata.AssertIsWhole("after us");
    }
}
