using DmEra.EndToEnd.Vm;
using DmEra.Fuzz.Content;

namespace DmEra.EndToEnd.Kernel.SharedLeaves;

/// <summary>What docs/decisions says of shared leaves is the outcome of these: everything, on every kernel. Run with
/// <c>./test --long</c>.</summary>
[Trait("Length", "Long")]
public sealed class EveryKernelTests
{
    private const int Minutes = 20;

    public static TheoryData<string> Kernels => [GuestMachine.Linux61, GuestMachine.Linux612];

    public static TheoryData<string, string> KernelsAndContents => Combine(EqualLeaves.Names);

    // Indexes of two levels for the bits and three for the eras; then the longest device that the format has, with three for both.
    public static TheoryData<string, uint> KernelsAndLengths => Combine<uint>([68_000_000, int.MaxValue]);

    [Theory, MemberData(nameof(KernelsAndContents))]
    public void The_kernel_goes_on_as_if_nothing_were_shared(string kernel, string content)
    {
        using Takeover takeover = new(new GuestMachine(kernel), EqualLeaves.Get(content));
        takeover.GoOnAsIfNothingWereShared();
    }

    [Theory, MemberData(nameof(KernelsAndContents))]
    public void The_kernel_loses_power_and_changes_the_devices_length(string kernel, string content)
    {
        using Takeover takeover = new(new GuestMachine(kernel), EqualLeaves.Get(content));
        takeover.LosePowerAndChangeLength();
    }

    [Theory, MemberData(nameof(KernelsAndLengths))]
    public void The_kernel_goes_on_with_deep_indexes(string kernel, uint nrBlocks)
    {
        using Takeover takeover = new(new GuestMachine(kernel, MemoryMiB: 1600, ScriptMinutes: Minutes), EqualLeaves.OfLength(nrBlocks));
        takeover.GoOnWithDeepIndexes();
    }

    [Theory, MemberData(nameof(Kernels))]
    public void What_is_on_disk_stays_whole_when_the_kernel_has_no_room_to_unshare(string kernel)
    {
        foreach (ulong spareBlocks in (ulong[])[12, 20, 24])
        {
            using Takeover takeover = new(new GuestMachine(kernel), EqualLeaves.Get("an open era with marks"));
            takeover.RunOutOfRoom(spareBlocks);
        }
    }

    private static TheoryData<string, T> Combine<T>(IEnumerable<T> others)
    {
        TheoryData<string, T> data = [];
        foreach (T other in others)
        {
            data.Add(GuestMachine.Linux61, other);
            data.Add(GuestMachine.Linux612, other);
        }

        return data;
    }
}
