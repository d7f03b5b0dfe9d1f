using DmEra.Tests;

namespace DmEra.EndToEnd.Vm;

/// <summary>The machine that the other tests rely on.</summary>
public sealed class GuestTests
{
    [Fact]
    public void A_guest_runs_scripts_until_its_power_is_cut()
    {
        using TempFolder folder = new();
        string image = folder.Sparse("image", 1 << 20);
        using Guest guest = Guest.Boot(GuestDisk.File("first", image));

        Assert.Equal("1048576", guest.Run("blockdev --getsize64 /dev/disk/first"));
        Assert.Equal("one\ntwo", guest.Run("echo one; printf two"));
        Assert.Equal("", guest.RunToFailure("false"));
        Assert.Contains("no such file", guest.RunToFailure("cat /missing"), StringComparison.OrdinalIgnoreCase);

        Assert.Equal("written", guest.Lines("echo kept | dd conv=fsync of=/dev/disk/first status=none; echo written; sleep 60").First());
        guest.CutPower();
        Assert.StartsWith("kept", File.ReadAllText(image), StringComparison.Ordinal);
    }

    [Fact]
    public void A_failing_script_fails_the_test_and_says_why()
    {
        using Guest guest = Guest.Boot();
        Exception failure = Assert.ThrowsAny<Exception>(() => guest.Run("echo before; exit 3"));
        Assert.Contains("exit status 3", failure.Message, StringComparison.Ordinal);
        Assert.Contains("before", failure.Message, StringComparison.Ordinal);
    }
}
