using DmEra.EndToEnd.Vm;
using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>A Linux machine keeps its files on a served disk.</summary>
public sealed class FileSystemTests : IDisposable
{
    private const string WriteFiles =
        """
        mkdir -p /mnt/$name
        for i in $(seq 25); do head -c $((i * 9999)) /dev/urandom > /mnt/$name/$i; done
        (cd /mnt/$name && sha256sum * > list)
        """;

    private const string CheckFiles = "cd /mnt/$name && sha256sum -c list && test $(ls | wc -l) = 26";

    private readonly TempFolder _folder = new();

    public static TheoryData<string, string> FileSystems => new()
    {
        { "ext4", "e2fsck -fn /dev/disk/era" },
        { "xfs", "xfs_repair -n /dev/disk/era" },
    };

    public void Dispose() => _folder.Dispose();

    [Theory, MemberData(nameof(FileSystems))]
    public void Files_survive_a_reboot_and_a_power_cut_and_every_changed_block_is_known(string type, string check)
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", "320M");
        using (Guest guest = Boot(server))
        {
            guest.Run($"mkfs.{type} -q /dev/disk/era && mount -t {type} /dev/disk/era /mnt");
            guest.Run("name=first\n" + WriteFiles);
            guest.Run($"umount /mnt && {check}");
        }

        uint era = uint.Parse(server.Command("checkpoint", "disk"));
        Oracle.Run("cp", "--sparse=always", _folder["disk"], _folder["before"]).AssertSuccess();

        using (Guest guest = Boot(server))
        {
            guest.Run($"mount -t {type} /dev/disk/era /mnt");
            guest.Run("name=first\n" + CheckFiles);
            guest.Run("name=second\n" + WriteFiles + "\nsync");
            Assert.Equal("cut", guest.Lines("echo cut; name=third\n" + WriteFiles + "\nsleep 100").First());
        }

        using (Guest guest = Boot(server))
        {
            guest.Run($"mount -t {type} /dev/disk/era /mnt");
            guest.Run("name=first\n" + CheckFiles);
            guest.Run("name=second\n" + CheckFiles);
            guest.Run($"umount /mnt && {check}");
        }

        IReadOnlyList<(uint, uint)> changed = server.Changed("disk", era);
        server.Terminate();
        Oracle.EraCheck(_folder["disk.era"]);
        Assert.Equal(changed, Oracle.EraInvalidate(_folder["disk.era"], era));
        Assert.Empty(Images.DifferentBlocks(_folder["before"], _folder["disk"]).Except(Oracle.Blocks(changed)));
    }

    [Fact]
    public void A_guest_works_on_when_the_server_is_killed_and_started_again()
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", "64M");
        using Guest guest = Boot(server);
        guest.Run("mkfs.ext4 -q /dev/disk/era && mount -t ext4 /dev/disk/era /mnt");
        guest.Run("name=first\n" + WriteFiles + "\nsync");

        server.Kill();
        Oracle.EraCheck(_folder["disk.era"]);
        using EraServer again = EraServer.Start(_folder, _folder["disk"]);

        guest.Run("name=second\n" + WriteFiles + "\nsync; echo 3 > /proc/sys/vm/drop_caches");
        guest.Run("name=first\n" + CheckFiles);
        guest.Run("name=second\n" + CheckFiles);
        guest.Run("umount /mnt && e2fsck -fn /dev/disk/era");
        again.Terminate();
        Oracle.EraCheck(_folder["disk.era"]);
    }

    private static Guest Boot(EraServer server) => Guest.Boot(GuestDisk.Nbd("era", server.Socket, "disk"));
}
