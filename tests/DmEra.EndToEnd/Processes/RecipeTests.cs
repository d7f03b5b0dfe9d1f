using DmEra.EndToEnd.Vm;
using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>The ways of docs/recipes.md to use a disk on Linux, in a machine of their own.</summary>
public sealed class RecipeTests : IDisposable
{
    private const string SetUpNetwork = "modprobe virtio_net && ip link set lo up && ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Nbd_client_makes_a_block_device_of_it()
    {
        using EraServer server = StartOnTcp();
        using Guest guest = Guest.Boot();

        guest.Run(SetUpNetwork);
        guest.Run($"modprobe nbd && nbd-client -N disk -C 4 10.0.2.2 {Port(server)} /dev/nbd0");
        guest.Run("mkfs.ext4 -q /dev/nbd0 && mount /dev/nbd0 /mnt && echo kept >/mnt/file && umount /mnt");
        guest.Run("fsck.ext4 -fn /dev/nbd0 || e2fsck -fn /dev/nbd0");
        uint era = uint.Parse(server.Command("checkpoint", "disk"));
        guest.Run("dd if=/dev/zero of=/dev/nbd0 bs=64k seek=200 count=3 conv=fsync status=none && nbd-client -d /dev/nbd0");

        Assert.Equal([(200u, 203u)], server.Changed("disk", era));
        server.Terminate();
        Oracle.Run("e2fsck", "-fn", _folder["disk"]).AssertSuccess();
    }

    [Fact]
    public void Nbdfuse_makes_a_file_of_it()
    {
        using EraServer server = StartOnTcp();
        using Guest guest = Guest.Boot();

        guest.Run(SetUpNetwork);
        guest.Run("modprobe fuse && mkdir /tmp/disk");
        guest.Run(
            $"nbdfuse /tmp/disk nbd://10.0.2.2:{Port(server)}/disk & " +
            "for i in $(seq 300); do [ -e /tmp/disk/nbd ] && break; sleep 0.1; done; " +
            "echo kept | dd of=/tmp/disk/nbd conv=notrunc,fsync status=none; umount /tmp/disk; wait");

        Assert.Equal([(0u, 1u)], server.Changed("disk", 1));
        server.Terminate();
        Assert.StartsWith("kept", File.ReadAllText(_folder["disk"]), StringComparison.Ordinal);
    }

    private EraServer StartOnTcp() =>
        EraServer.Start(_folder, _folder["disk"], "--size", "32M", "--listen", "tcp:127.0.0.1:0");

    private static string Port(EraServer server) => new Uri(server.Greeting[0]).Port.ToString();
}
