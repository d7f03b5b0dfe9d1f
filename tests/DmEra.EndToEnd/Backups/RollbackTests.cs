using DmEra.EndToEnd.Processes;
using DmEra.EndToEnd.Vm;
using DmEra.Tests;

namespace DmEra.EndToEnd.Backups;

/// <summary>
/// What dm-era was made for: an origin is rolled back to a snapshot below a cache, which then forgets just what is no longer
/// true. With the kernel's dm-cache on the kernel's dm-era, and on a device of our own.
/// </summary>
public sealed class RollbackTests : IDisposable
{
    // Blocks of 64 KiB. Each has one cached half, and one that is not. Written are parts of both: a cache block that is
    // written over as a whole might be cached for that.
    private static readonly int[] BeforeSnapshot = [1, 50];
    private static readonly int[] SinceSnapshot = [0, 7, 8, 50, 200, 255];

    private const string Functions =
        """
        write_at() { dd if=/dev/urandom of=/dev/mapper/cache0 bs=4k count=1 seek=$1 oflag=direct conv=notrunc status=none; }
        write() { for block; do write_at $((block * 16)); write_at $((block * 16 + 8)); done; }
        same() { dd if=$1 bs=1M iflag=direct status=none | cmp - $2; }
        snapshot() { dd if=$1 of=/dev/disk/snapshot bs=1M iflag=direct oflag=direct status=none; }
        roll_back() { dd if=/dev/disk/snapshot of=$1 bs=1M iflag=direct oflag=direct status=none; }
        dirty() { set -- $(dmsetup status cache0); echo ${14}; }
        table() { dmsetup suspend cache0 && dmsetup load cache0 --table "$1" && dmsetup resume cache0; }

        """;

    private readonly TempFolder _folder = new();

    [Theory, InlineData(1), InlineData(2)]
    public void A_plan_rolls_back_below_a_cache_on_the_kernels_own_device(int version)
    {
        CachedOrigin origin = new(_folder, version);
        using Guest guest = BootWithKernelEra(origin);
        Run(guest, ProgramDisk.Setup + "era checkpoint /dev/mapper/era0 --label 'before upgrade'; snapshot /dev/disk/origin");
        Run(guest, $"write {string.Join(' ', SinceSnapshot)}; [ \"$(dirty)\" != 0 ]");

        string done = Run(guest, ProgramDisk.Setup +
            """
            era rollback-plan /dev/mapper/era0 --to 'before upgrade' --cache cache0 \
                --rollback-cmd 'dd if=/dev/disk/snapshot of=/dev/disk/origin bs=1M oflag=direct status=none' > /tmp/plan
            sh /tmp/plan
            """);

        IEnumerable<ulong> expected = origin.CachedWithout(SinceSnapshot);
        Assert.EndsWith($"rolled back; still cached: {expected.Count()} blocks", done);
        Assert.EndsWith(" writeback", Features(guest));
        Run(guest, "same /dev/disk/snapshot /dev/disk/origin; same /dev/mapper/cache0 /dev/disk/snapshot");
        // Reading has not cached anything new: what is there now is what was left.
        Run(guest, "dmsetup remove cache0; dmsetup remove era0; sync");
        guest.CutPower();
        Assert.Equal(expected, origin.CachedNow());
        Oracle.EraCheck(_folder["meta"]);
    }

    [Fact]
    public void Without_the_plan_the_cache_serves_what_is_no_longer_true()
    {
        CachedOrigin origin = new(_folder, version: 2);
        using Guest guest = BootWithKernelEra(origin);
        Run(guest, "dmsetup message era0 0 checkpoint; snapshot /dev/disk/origin");
        Run(guest, $"write {string.Join(' ', SinceSnapshot)}");
        string table = origin.TableOn("/dev/mapper/era0");
        Run(guest, $"table '{table.Replace("smq 0", "cleaner 0", StringComparison.Ordinal)}'; until [ \"$(dirty)\" = 0 ]; do sleep 0.2; done");

        Run(guest, $"roll_back /dev/disk/origin; table '{table}'");

        Run(guest, "same /dev/disk/snapshot /dev/disk/origin");
        string difference = guest.RunToFailure(Functions + "same /dev/mapper/cache0 /dev/disk/snapshot");
        Assert.Contains("differ", difference, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cache_on_a_device_of_ours_forgets_what_was_written_since()
    {
        CachedOrigin origin = new(_folder, version: 2);
        using EraServer server = EraServer.Start(_folder, _folder["origin"], "--name", "disk");
        using Guest guest = Guest.Boot([GuestDisk.Nbd("era", server.Socket, "disk"), .. origin.Disks]);
        string table = origin.TableOn("/dev/disk/era");
        Run(guest, $"dmsetup create cache0 --table '{table}'");
        Run(guest, $"write {string.Join(' ', BeforeSnapshot)}");
        Clean(guest, table);
        server.Command("checkpoint", "disk", "--label", "before upgrade");
        Run(guest, "snapshot /dev/disk/era");
        Run(guest, $"write {string.Join(' ', SinceSnapshot)}");
        Clean(guest, table);
        string passthrough = table.Replace("writeback", "passthrough", StringComparison.Ordinal);

        Run(guest, $"table '{passthrough}'");
        RollBackBelow();
        server.Command("message", "disk", "take_metadata_snap");
        Run(guest, "dmsetup suspend cache0");
        string messages = server.Command(
            "invalidate", "--metadata-snapshot", "--written-since", "before upgrade", "--cache", _folder["cachemeta"], _folder["origin.era"]);
        Run(guest, "dmsetup resume cache0");
        server.Command("message", "disk", "drop_metadata_snap");
        foreach (string message in messages.Split('\n')) Run(guest, $"dmsetup message cache0 0 {message}");
        Run(guest, $"table '{table}'");

        IEnumerable<ulong> expected = origin.CachedWithout(SinceSnapshot);
        Run(guest, $"set -- $(dmsetup status cache0); [ ${{7%/*}} = {expected.Count()} ]");
        Run(guest, "same /dev/disk/snapshot /dev/disk/era; same /dev/mapper/cache0 /dev/disk/snapshot; dmsetup remove cache0; sync");
        guest.CutPower();
        Assert.Equal(expected, origin.CachedNow());

        // The storage system's own doing, of which the device is told nothing.
        void RollBackBelow() => Oracle.Run(
            "dd", $"if={_folder["snapshot"]}", $"of={_folder["origin"]}", "bs=1M", "conv=notrunc", "status=none").AssertSuccess();
    }

    public void Dispose() => _folder.Dispose();

    private static string Run(Guest guest, string script) => guest.Run("set -e\n" + Functions + script);

    private static void Clean(Guest guest, string table) => Run(guest,
        $"""
        table '{table.Replace("smq 0", "cleaner 0", StringComparison.Ordinal)}'
        until [ "$(dirty)" = 0 ]; do sleep 0.2; done
        table '{table}'
        """);

    private static string Features(Guest guest) =>
        Run(guest, "dmsetup table cache0").Split(" smq")[0];

    private Guest BootWithKernelEra(CachedOrigin origin)
    {
        Guest guest = Guest.Boot([
            ProgramDisk.Create(_folder),
            GuestDisk.File("meta", _folder.Sparse("meta", 1 << 20)),
            GuestDisk.File("origin", _folder["origin"]),
            .. origin.Disks,
        ]);
        Run(guest,
            $"""
            dmsetup create era0 --table '0 {CachedOrigin.Bytes / 512} era /dev/disk/meta /dev/disk/origin 128'
            dmsetup create cache0 --table '{origin.TableOn("/dev/mapper/era0")}'
            write {string.Join(' ', BeforeSnapshot)}
            """);
        Clean(guest, origin.TableOn("/dev/mapper/era0"));
        return guest;
    }
}
