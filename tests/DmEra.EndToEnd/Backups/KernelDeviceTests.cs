using DmEra.EndToEnd.Vm;
using DmEra.Tests;

namespace DmEra.EndToEnd.Backups;

/// <summary>Backups of the kernel's own dm-era, while it is in use.</summary>
public sealed class KernelDeviceTests : IDisposable
{
    private const string WriteBlocks =
        """
        write() { for block; do dd if=/dev/urandom of=/dev/mapper/era0 bs=64k count=1 seek=$block oflag=direct conv=notrunc status=none || exit; done; }
        state() { dmsetup info -c --noheadings -o suspended era0; dmsetup status era0; }

        """;

    private readonly TempFolder _folder = new();

    [Fact]
    public void Images_are_taken_through_metadata_snapshots_while_the_device_is_in_use()
    {
        using Guest guest = Boot();
        Run(guest, "write 0 3 100 255; write 7");
        Assert.Contains("image 1: full, ", Run(guest, "era backup /dev/mapper/era0 --to /mnt/repository"), StringComparison.Ordinal);
        Run(guest, "dd if=/dev/mapper/era0 of=/mnt/at1 bs=1M iflag=direct status=none; write 3 101");

        string second = Run(guest, "era backup /dev/mapper/era0 --to /mnt/repository");

        Assert.Contains("image 2: on top of image 1, ", second, StringComparison.Ordinal);
        Assert.Contains("; 128 KiB read, ", second, StringComparison.Ordinal);
        Assert.Contains("the metadata has no lineage, as the kernel blanks it", second, StringComparison.Ordinal);
        Run(guest, "era restore-image /mnt/repository --at 1 --to /mnt/restored1 && cmp /mnt/restored1 /mnt/at1");
        Run(guest, "era restore-image /mnt/repository --to /mnt/restored2 && dd if=/dev/mapper/era0 bs=1M iflag=direct status=none | cmp - /mnt/restored2");
        // Nothing is held when it is done.
        string[] state = Run(guest, "state").Split('\n');
        Assert.Equal("Active", state[0]);
        Assert.EndsWith(" -", state[1]);
    }

    [Fact]
    public void A_file_system_on_it_is_at_rest_in_the_image()
    {
        using Guest guest = Boot();
        Run(guest, "mkfs.ext4 -q /dev/mapper/era0 && mkdir /files && mount /dev/mapper/era0 /files && cp /usr/bin/busybox /files/one");
        Run(guest, "era backup /dev/mapper/era0 --to /mnt/repository && cp /usr/bin/busybox /files/two");
        Run(guest, "era restore-image /mnt/repository --to /dev/disk/restored --overwrite && e2fsck -fn /dev/disk/restored");

        Assert.Equal("lost+found\none", Run(guest, "mkdir /restored && mount -o ro /dev/disk/restored /restored && ls /restored && cmp /restored/one /usr/bin/busybox"));
    }

    [Fact]
    public void A_backup_that_is_killed_leaves_the_device_active_and_no_metadata_snapshot()
    {
        using Guest guest = Boot();
        Run(guest, "write 0 3 100");
        string state = Run(guest,
            """
            era backup /dev/mapper/era0 --to /mnt/repository --snapshot-cmd 'echo > /mnt/begun; exec sleep 1000' &
            until [ -e /mnt/begun ]; do sleep 0.2; done
            dmsetup info -c --noheadings -o suspended era0
            kill -9 $!
            until [ "$(dmsetup info -c --noheadings -o suspended era0)" = Active ]; do sleep 0.2; done
            write 5
            dmsetup status era0
            """);
        Assert.StartsWith("Suspended\n", state);
        Assert.EndsWith(" -", state);

        // What somebody else holds is named, and left alone.
        Run(guest, "dmsetup message era0 0 take_metadata_snap");
        string refusal = guest.RunToFailure(ProgramDisk.Setup + "era backup /dev/mapper/era0 --to /mnt/repository");
        Assert.Contains("dmsetup message era0 0 drop_metadata_snap", refusal, StringComparison.Ordinal);
        Run(guest, "dmsetup message era0 0 drop_metadata_snap; era backup /dev/mapper/era0 --to /mnt/repository");
    }

    public void Dispose() => _folder.Dispose();

    private static string Run(Guest guest, string script) => guest.Run(ProgramDisk.Setup + WriteBlocks + script);

    private Guest Boot()
    {
        Guest guest = Guest.Boot(
            ProgramDisk.Create(_folder),
            GuestDisk.File("meta", _folder.Sparse("meta", 1 << 20)),
            GuestDisk.File("origin", _folder.Sparse("origin", 16 << 20)),
            GuestDisk.File("restored", _folder.Sparse("restored", 16 << 20)),
            GuestDisk.File("store", _folder.Sparse("store", 256 << 20)));
        guest.Run(
            """
            mkfs.ext4 -q /dev/disk/store && mount /dev/disk/store /mnt
            dmsetup create era0 --table '0 32768 era /dev/disk/meta /dev/disk/origin 128'
            """);
        return guest;
    }
}
