using System.Buffers.Binary;
using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Target.Metadata;

namespace DmEra.Tests.Target.Metadata;

public class EraMetadataTests
{
    private const uint Blocks = 1024;

    [Theory]
    [InlineData(176, 16u, "metadata block size is 16 sectors, not 8")]
    [InlineData(180, 0x8000_0000u, "2147483648 origin blocks are too many")]
    public void Superblock_that_the_format_does_not_allow_is_refused(int offset, uint value, string cause)
    {
        ProbeDevice device = new(1 << 20);
        Open(device);
        byte[] image = MetadataImage.WithSuperblock(
            device.ToArray(), superblock => BinaryPrimitives.WriteUInt32LittleEndian(superblock[offset..], value));

        MetadataCorruptException fault = Assert.Throws<MetadataCorruptException>(() => Open(new ProbeDevice(image)));

        Assert.EndsWith(cause, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void File_shorter_than_a_block_is_metadata_only_when_it_is_blank()
    {
        Assert.Equal(
            "metadata block 0: superblock: 100 bytes are no era metadata",
            Assert.Throws<MetadataCorruptException>(() => Open(Growing([.. new byte[99], 1]))).Message);
        Assert.Equal(0u, Open(Growing(new byte[100])).CurrentEra);
    }

    [Fact]
    public void Metadata_has_the_lineage_that_it_was_made_with_and_a_blank_one_is_unknown()
    {
        Guid lineage = new("8d7e0a3a-6a1c-4b5a-9d6e-0123456789ab");
        Assert.Equal(lineage, Open(new ProbeDevice(1 << 20), lineage).Lineage);
        Assert.Null(Open(new ProbeDevice(1 << 20), Guid.Empty).Lineage);
    }

    [Fact]
    public void Era_that_is_open_and_archived_at_once_is_damage()
    {
        ProbeDevice device = new(1 << 20);
        EraMetadata metadata = Open(device);
        metadata.Resize(Blocks);
        metadata.RollOver();
        metadata.Archive();
        metadata.Commit();
        byte[] image = MetadataImage.WithSuperblock(
            device.ToArray(), superblock => BinaryPrimitives.WriteUInt64LittleEndian(superblock[192..], 1));

        MetadataCorruptException fault = Assert.Throws<MetadataCorruptException>(Open(new ProbeDevice(image)).Archive);

        Assert.EndsWith("era 1 is open and archived at once", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void There_is_no_era_behind_the_last_one()
    {
        ProbeDevice device = new(1 << 20);
        Open(device);
        EraMetadata metadata = Open(new ProbeDevice(MetadataImage.WithCurrentEra(device.ToArray(), uint.MaxValue - 1)));

        metadata.RollOver();

        Assert.Equal(uint.MaxValue, metadata.CurrentEra);
        Assert.False(metadata.CanRollOver);
        Assert.Throws<OverflowException>(metadata.RollOver);
    }

    private static EraMetadata Open(IBlockDevice device, Guid lineage = default) =>
        EraMetadata.OpenOrFormat(device, 64, TestEra.BlockSectors, lineage);

    private static ProbeDevice Growing(byte[] content) => new(content) { Capacity = 1 << 20 };
}
