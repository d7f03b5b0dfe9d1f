using DmEra.EndToEnd.Vm;
using DmEra.Tests;

namespace DmEra.EndToEnd.Backups;

/// <summary>An origin on a file system that can share blocks between files.</summary>
public sealed class ClonedOriginTests : IDisposable
{
    private readonly TempFolder _folder = new();

    [Fact]
    public void An_image_is_read_from_a_clone_made_at_one_moment_that_leaves_nothing_behind()
    {
        using Guest guest = Guest.Boot(
            ProgramDisk.Create(_folder), GuestDisk.File("store", _folder.Sparse("store", 512 << 20)));
        guest.Run("mkfs.xfs -q -m reflink=1 /dev/disk/store && modprobe xfs && mount -t xfs /dev/disk/store /mnt && modprobe nbd nbds_max=1");
        Run(guest,
            """
            era serve /mnt/disk --size 32M --metadata /mnt/eras > /mnt/ready 2>&1 &
            until grep -q ready /mnt/ready; do sleep 0.2; done
            nbd-client -unix "$(sed -n 's/.*?socket=//p;q' /mnt/ready)" -N disk /dev/nbd0 > /dev/null
            dd if=/dev/urandom of=/dev/nbd0 bs=1M count=8 oflag=direct status=none
            """);

        string taken = Run(guest, "era backup disk --to /mnt/repository");
        Run(guest, "cp /mnt/disk /mnt/at1; dd if=/dev/urandom of=/dev/nbd0 bs=64k count=3 seek=40 oflag=direct status=none");
        string second = Run(guest, "era backup disk --to /mnt/repository");

        Assert.Contains("8.0 MiB read, ", taken, StringComparison.Ordinal);
        Assert.Contains("192 KiB read, ", second, StringComparison.Ordinal);
        string[] list = Run(guest, "era backups /mnt/repository").Split('\n');
        Assert.All(list[1..], line => Assert.Contains("  snapshot", line, StringComparison.Ordinal));
        Run(guest, "era restore-image /mnt/repository --at 1 --to /mnt/restored1; cmp /mnt/restored1 /mnt/at1");
        Run(guest, "era restore-image /mnt/repository --to /mnt/restored2; cmp /mnt/restored2 /mnt/disk");
        Assert.DoesNotContain("clone", guest.Run("ls /mnt"), StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private static string Run(Guest guest, string script) => guest.Run("set -e\n" + ProgramDisk.Setup + script);
}
