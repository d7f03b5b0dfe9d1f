using DmEra.EndToEnd.Vm;
using DmEra.Fuzz.Content;
using DmEra.Tests;

namespace DmEra.EndToEnd.Kernel.SharedLeaves;

/// <summary>Metadata in which equal blocks of arrays are one block, in the hands of the kernel and in ours.
/// <see cref="EveryKernelTests"/> has more of it.</summary>
public sealed class SharedLeafTests
{
    public static TheoryData<string> Contents => [.. EqualLeaves.Names];

    [Theory, InlineData("an open era with marks"), InlineData("a metadata snapshot")]
    public void The_kernel_goes_on_as_if_nothing_were_shared(string content)
    {
        using Takeover takeover = new(new GuestMachine(), EqualLeaves.Get(content));
        takeover.GoOnAsIfNothingWereShared();
    }

    [Fact]
    public void The_kernel_loses_power_and_changes_the_devices_length()
    {
        using Takeover takeover = new(new GuestMachine(), EqualLeaves.Get("an empty open era"));
        takeover.LosePowerAndChangeLength();
    }

    [Theory, MemberData(nameof(Contents))]
    public void We_go_on_as_if_nothing_were_shared(string content)
    {
        const uint Growth = 70_000, Shrunk = 40_000;
        using TempFolder folder = new();
        HandmadeMetadata metadata = new(folder["meta"], EqualLeaves.Get(content), isShared: true);
        string origin = folder.Sparse("origin", 1L << 36);
        uint nrBlocks = metadata.Log.BlockCount;
        using (OurEra ours = new(metadata.Path, origin, metadata.Log, nrBlocks))
        {
            if (ours.Status.MetadataSnapshot != 0) ours.DropMetadataSnapshot();
            ours.Write(0, 4, 32576, 70_001, nrBlocks - 1);
            ours.Checkpoint();
            ours.Write(5, 32576);
            ours.TakeMetadataSnapshot();
            ours.Write(6, 40_000);
            ours.Checkpoint();
            ours.DropMetadataSnapshot();
            ours.Remove();
        }

        metadata.AssertIsWhole("written to");
        Resize(nrBlocks + Growth);
        Resize(Shrunk);

        void Resize(uint length)
        {
            using (OurEra ours = new(metadata.Path, origin, metadata.Log, metadata.Log.BlockCount))
            {
                metadata.Resize(length);
                ours.Reload(length);
                ours.Write(7);
                ours.Remove();
            }

            metadata.AssertIsWhole($"resized to {length} blocks");
        }
    }
}
