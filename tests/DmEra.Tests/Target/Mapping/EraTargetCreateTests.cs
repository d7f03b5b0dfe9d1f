using DmEra.Devices;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

public sealed class EraTargetCreateTests : IDisposable
{
    private const int BlockBytes = TestEra.BlockBytes;
    private const long OriginBytes = 1024 * BlockBytes;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Devices_of_the_table_are_opened_locked_and_formatted()
    {
        string metadata = _folder.Sparse("meta", 1 << 20), origin = _folder.Sparse("origin", OriginBytes);
        using (EraTarget target = Create(metadata, origin))
        {
            Assert.Equal(TargetState.Suspended, target.State);
            Assert.Equal(OriginBytes, target.Device.Length);
            Assert.Equal(Errno.EBUSY, Refusal(metadata, _folder.Sparse("other", OriginBytes), "in use by another program").Errno);
            Assert.Equal(Errno.EBUSY, Refusal(_folder.Sparse("meta2", 1 << 20), origin, "in use by another program").Errno);
        }

        using EraTarget again = Create(metadata, origin);
        again.Resume();
        again.Device.Write(0, new byte[1]);
        again.Suspend();
        Oracle.Run("era_check", metadata).AssertSuccess();
    }

    [Fact]
    public void Missing_metadata_has_the_kernels_text()
    {
        EraTargetException refusal = Refusal(_folder["none"], _folder.Sparse("origin", OriginBytes), "Error opening metadata device");
        Assert.Equal(Errno.ENOENT, refusal.Errno);
        Assert.Contains(_folder["none"], refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Missing_origin_has_the_kernels_text()
    {
        string metadata = _folder.Sparse("meta", 1 << 20);
        Refusal(metadata, _folder["none"], "Error opening data device");
        Assert.False(File.ReadAllBytes(metadata).AsSpan().ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void Folder_is_no_metadata_device() =>
        Refusal(_folder.Path, _folder.Sparse("origin", OriginBytes), "Error opening metadata device");

    [Fact]
    public void Origin_shorter_than_the_table_is_refused()
    {
        string metadata = _folder.Sparse("meta", 1 << 20);
        Refusal(metadata, _folder.Sparse("origin", OriginBytes - 1), "has 8191 sectors, the table 8192");
        Assert.False(File.ReadAllBytes(metadata).AsSpan().ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void One_file_cannot_be_both()
    {
        string file = _folder.Sparse("both", OriginBytes);
        File.CreateSymbolicLink(_folder["link"], file);
        Refusal(file, file, "is the metadata device as well");
        Refusal(file, _folder["link"], "is the metadata device as well");
        ProbeDevice device = new((int)OriginBytes);
        EraTable table = new(0, OriginBytes / 512, "a", "b", 8);
        Assert.Throws<EraTargetException>(() => EraTarget.Create(table, device, device, new EraTargetOptions()));
    }

    [Fact]
    public void Other_block_size_than_the_metadatas_has_the_kernels_text()
    {
        string metadata = _folder.Sparse("meta", 1 << 20), origin = _folder.Sparse("origin", OriginBytes);
        Create(metadata, origin).Dispose();
        byte[] before = File.ReadAllBytes(metadata);

        EraTable other = new(0, OriginBytes / 512, metadata, origin, 128);
        EraTargetException refusal = Assert.Throws<EraTargetException>(() => EraTarget.Create(other, new EraTargetOptions()));
        Assert.StartsWith("Error reading metadata", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("changing the data block size (from 8 to 128) is not supported", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(Errno.EINVAL, refusal.Errno);
        Assert.Equal(before, File.ReadAllBytes(metadata));

        Assert.Throws<EraTargetException>(() => EraTarget.Create(other, new ProbeDevice((int)OriginBytes), new EraTargetOptions()));
        Create(metadata, origin).Dispose();     // none of them holds a lock any more
    }

    [Theory]
    [InlineData(8, Errno.ENOTBLK)]      // own address
    [InlineData(32, Errno.EILSEQ)]      // magic
    [InlineData(4000, Errno.EILSEQ)]    // checksum
    public void Damaged_superblock_has_the_kernels_error_number(int offset, int errno)
    {
        using TestEra era = TestEra.Active();
        era.Target.Dispose();
        byte[] damaged = era.Metadata.ToArray();
        damaged[offset] ^= 0x55;
        EraTargetException refusal = RefusalOf(damaged);
        Assert.Equal(errno, refusal.Errno);
        Assert.StartsWith("Error reading metadata: meta: metadata block 0: ", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Metadata_device_that_fails_is_named_once()
    {
        ProbeDevice metadata = new(1 << 20) { Before = _ => throw new DeviceException("disk broke", Errno.EIO) };
        EraTargetException refusal = Assert.Throws<EraTargetException>(() => new TestEra(1024, metadata, new ProbeDevice((int)OriginBytes)));
        Assert.StartsWith("Error reading metadata: disk broke", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void New_metadata_has_the_lineage_that_is_asked_for()
    {
        Guid lineage = new("8d7e0a3a-6a1c-4b5a-9d6e-0123456789ab");
        EraTable table = new(0, OriginBytes / 512, "meta", "origin", 8);
        using EraTarget target = EraTarget.Create(
            table, new ProbeDevice(1 << 20), new ProbeDevice((int)OriginBytes), new EraTargetOptions { Lineage = lineage });
        Assert.Equal(lineage, target.Lineage);
    }

    [Fact]
    public void Unknown_version_has_the_kernels_text()
    {
        using TestEra era = TestEra.Active();
        era.Target.Dispose();
        EraTargetException refusal = RefusalOf(
            MetadataImage.WithSuperblock(era.Metadata.ToArray(), superblock => superblock[40] = 254));
        Assert.Contains("Era metadata version 254 found, but only versions between 1 and 1 supported.", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(Errno.EINVAL, refusal.Errno);
    }

    [Fact]
    public void Truncated_metadata_is_refused()
    {
        using TestEra era = TestEra.Active();
        era.Target.Dispose();
        EraTargetException refusal = RefusalOf(era.Metadata.ToArray()[..(200 * 4096)]);
        Assert.Contains("256 blocks", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Anything_else_than_metadata_is_refused_and_left_alone()
    {
        string text = _folder["text"];
        File.WriteAllText(text, "not metadata");
        Refusal(text, _folder.Sparse("origin", OriginBytes), "Error reading metadata");
        Assert.Equal("not metadata", File.ReadAllText(text));

        byte[] noise = new byte[1 << 20];
        new Random(1).NextBytes(noise);
        Assert.Equal(Errno.ENOTBLK, RefusalOf(noise).Errno);
    }

    [Fact]
    public void Garbage_behind_a_first_block_of_zeroes_is_formatted_over()
    {
        byte[] content = new byte[1 << 20];
        new Random(1).NextBytes(content.AsSpan(4096));
        using TestEra era = new(1024, new ProbeDevice(content), new ProbeDevice((int)OriginBytes));
        era.Target.Resume();
        era.Write(1);
        Assert.Equal([1], era.WrittenSince(1));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4095)]
    [InlineData(4096)]
    [InlineData(5 * 4096)]
    public void Metadata_device_that_is_too_small_is_refused(int bytes) =>
        Assert.Equal(Errno.ENOSPC, RefusalOf(new byte[bytes]).Errno);

    [Fact]
    public void Empty_metadata_file_grows_as_needed()
    {
        string metadata = _folder.Sparse("meta", 0), origin = _folder.Sparse("origin", OriginBytes);
        using (EraTarget target = Create(metadata, origin))
        {
            target.Resume();
            target.Device.Write(0, new byte[OriginBytes]);
        }

        Assert.Equal(1024, EraAudit.Read(File.ReadAllBytes(metadata)).LastWritten().Count(era => era == 1));
        Oracle.Run("era_check", metadata).AssertSuccess();
    }

    [Fact]
    public void Format_is_an_ordinary_commit()
    {
        // The kernel writes the superblock together with the blocks that it points at.
        for (int seed = 0; seed < 20; seed++)
        {
            ProbeDevice metadata = new(1 << 20);
            byte[] left = [];
            int flushes = 0;
            metadata.Before = operation =>
            {
                if (operation.Call == DeviceCall.Flush && ++flushes == 2) left = metadata.AfterPowerCut(new Random(seed));
            };
            using TestEra era = new(1024, metadata, new ProbeDevice((int)OriginBytes));
            if (left.AsSpan(0, 4096).ContainsAnyExcept((byte)0)) EraAudit.Read(left);
            metadata.Before = null;
        }
    }

    [Fact]
    public void Too_many_blocks_are_refused_when_the_device_is_resumed()
    {
        using MemoryBlockDevice metadata = new(1 << 20);
        EraTable table = new(0, (1L << 31) * 8, "meta", "origin", 8);
        using EraTarget target = EraTarget.Create(table, metadata, new EndlessDevice(), new EraTargetOptions());
        EraTargetException refusal = Assert.Throws<EraTargetException>(target.Resume);
        Assert.StartsWith("Invalid number of origin blocks 2147483648", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(Errno.EINVAL, refusal.Errno);

        target.Resize(EraTable.MaxBlocks * 8);
        Assert.Throws<EraTargetException>(() => target.Resize((EraTable.MaxBlocks + 1) * 8));
        Assert.Equal(1L << 31, target.Table.BlockCount);        // another one is in force from the next resume on
    }

    [Theory]
    [InlineData("incorrect number of message arguments")]
    [InlineData("incorrect number of message arguments", "checkpoint", "now")]
    [InlineData("unsupported message 'foo'", "foo")]
    public void Wrong_messages_have_the_kernels_text(string text, params string[] words)
    {
        using TestEra era = TestEra.Active();
        EraTargetException refusal = Assert.Throws<EraTargetException>(() => era.Target.Message(words));
        Assert.StartsWith(text, refusal.Message, StringComparison.Ordinal);
        Assert.Equal(Errno.EINVAL, refusal.Errno);
    }

    [Fact]
    public void Messages_may_be_in_upper_case()
    {
        using TestEra era = TestEra.Active();
        era.Target.Message("CHECKPOINT");
        era.Target.Message("Take_Metadata_Snap");
        Assert.Equal(3u, era.Target.Status.CurrentEra);
        Assert.NotEqual(0ul, era.Target.Status.MetadataSnapshot);
        era.Target.Message("drop_metadata_SNAP");
        Assert.Equal(0ul, era.Target.Status.MetadataSnapshot);
    }

    private static EraTargetException RefusalOf(byte[] metadata) =>
        Assert.Throws<EraTargetException>(
            () => new TestEra(1024, new ProbeDevice(metadata), new ProbeDevice((int)OriginBytes)));

    private static EraTarget Create(string metadata, string origin) =>
        EraTarget.Create(new EraTable(0, OriginBytes / 512, metadata, origin, 8), new EraTargetOptions());

    private static EraTargetException Refusal(string metadata, string origin, string text)
    {
        EraTargetException refusal = Assert.Throws<EraTargetException>(() => Create(metadata, origin));
        Assert.Contains(text, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
        return refusal;
    }

    /// <summary>As long as a device can be, and empty.</summary>
    private sealed class EndlessDevice : IBlockDevice
    {
        public long Length => long.MaxValue;

        public void Read(long offset, Span<byte> buffer) => buffer.Clear();

        public void Write(long offset, ReadOnlySpan<byte> data)
        {
        }

        public void Flush()
        {
        }

        public void Trim(long offset, long length)
        {
        }

        public void WriteZeroes(long offset, long length, ZeroingMode mode)
        {
        }

        public void Dispose()
        {
        }
    }
}
