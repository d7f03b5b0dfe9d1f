using DmEra.Devices;
using DmEra.Fuzz.Content;
using DmEra.PersistentData.Bitsets;
using DmEra.Target.History;
using DmEra.Target.Metadata;

namespace DmEra.Tests.Target.Metadata;

/// <summary>Others may make one block of bits stand in several places of a writeset, with some of its bits set.</summary>
public class SharedBitsDigestionTests
{
    private const uint Places = 4;

    [Fact]
    public void Digestion_that_stops_inside_a_block_of_bits_loses_none_of_the_next_place_that_names_it()
    {
        EraRuns marked = new(Places * PersistentBitset.BitsPerBlock);
        for (uint place = 0; place < Places; place++)
            marked.Set(FirstOf(place), FirstOf(place) + 1, era: 1).Set(FirstOf(place) + 5000, FirstOf(place) + 5001, era: 1);
        EraContent content = new(CurrentEra: 2, new EraRuns(marked.Length)) { Archived = { [1] = marked } };

        // Of the numbers of free blocks some have room for one block of the era array at a time.
        for (ulong spare = 0; spare < 60; spare++)
        {
            ProbeDevice device = new(ContentWriter.Write(content, isShared: true, spare, TestEra.BlockSectors).ToArray());
            EraMetadata metadata = EraMetadata.OpenOrFormat(device, 64, TestEra.BlockSectors, Guid.Empty);
            while (metadata.HasRoomToDigest && metadata.DigestStep()) metadata.Commit();
            metadata.Commit();

            using EraHistory history = EraHistory.Open(new MemoryBlockDevice(device.ToArray()));
            Assert.Equal(content.LastWritten().Since(1), history.WrittenSince(1).Select(range => (range.Begin, range.End)));
        }
    }

    private static uint FirstOf(uint place) => place * PersistentBitset.BitsPerBlock;
}
