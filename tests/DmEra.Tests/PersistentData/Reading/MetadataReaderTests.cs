using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;
using DmEra.PersistentData.Reading;
using DmEra.Tests.Target;

namespace DmEra.Tests.PersistentData.Reading;

public sealed class MetadataReaderTests
{
    private const int Blocks = 200;

    private readonly ProbeDevice _device = new(Blocks * BlockManager.BlockSize);
    private readonly MetadataReader _reader;
    private readonly List<(long Offset, int Length)> _reads = [];

    public MetadataReaderTests()
    {
        byte[] block = new byte[BlockManager.BlockSize];
        for (ulong address = 0; address < Blocks; address++)
        {
            block.AsSpan().Clear();
            ArrayBlockHeader.Format<Le64>(block);
            ArrayBlockHeader.Refill<Le64>(block, 0, 1, address);
            ArrayBlockValidator.Instance.PrepareForWrite(address, block);
            _device.Write((long)address * BlockManager.BlockSize, block);
        }

        _device.Before = operation =>
        {
            if (operation.Call == DeviceCall.Read) _reads.Add((operation.Offset / BlockManager.BlockSize, (int)operation.Length / BlockManager.BlockSize));
        };
        _reader = new MetadataReader(_device);
    }

    [Fact]
    public void Blocks_that_lie_in_a_row_come_in_ever_fewer_reads()
    {
        Le64[] addresses = [.. Enumerable.Range(0, Blocks).Select(i => (Le64)(ulong)i)];

        for (int i = 0; i < Blocks; i++) Assert.Equal((ulong)i, ValueOf(addresses.AsSpan(i)));

        Assert.InRange(_reads.Count, 1, 12);
        Assert.Equal(Blocks, _reads.Sum(read => read.Length));
    }

    [Fact]
    public void Nothing_is_read_that_nobody_announced()
    {
        for (ulong address = 0; address < 40; address++) Assert.Equal(address * 2, ValueOf([address * 2, (address * 2) + 2]));

        Assert.All(_reads, read => Assert.Equal(1, read.Length));
    }

    [Fact]
    public void A_block_that_is_named_again_and_again_is_read_once()
    {
        for (ulong address = 1; address < 20; address++)
        {
            Assert.Equal(150ul, ValueOf([150]));
            Assert.Equal(address, ValueOf([address]));
        }

        Assert.Single(_reads, read => read.Offset == 150);
    }

    [Fact]
    public void A_block_that_others_may_be_writing_is_read_anew()
    {
        _reader.Read(7, ArrayBlockValidator.Instance);
        _reader.Read(7, ArrayBlockValidator.Instance);

        Assert.Equal(2, _reads.Count);
    }

    [Fact]
    public void A_damaged_block_among_good_ones_is_the_only_one_that_is_lost()
    {
        _device.Write((20 * BlockManager.BlockSize) + 100, [0xFF]);
        Le64[] addresses = [.. Enumerable.Range(0, 40).Select(i => (Le64)(ulong)i)];
        List<ulong> lost = [];
        for (int i = 0; i < addresses.Length; i++)
        {
            try { Assert.Equal((ulong)i, ValueOf(addresses.AsSpan(i))); }
            catch (MetadataCorruptException fault) { lost.Add(fault.Block); }
        }

        Assert.Equal([20ul], lost);
    }

    [Fact]
    public void A_block_that_the_device_cannot_read_is_the_only_one_that_is_lost()
    {
        const int Bad = 20;
        _device.Before = operation =>
        {
            bool isBad = operation.Offset <= Bad * BlockManager.BlockSize && operation.Offset + operation.Length > Bad * BlockManager.BlockSize;
            if (isBad) throw new DeviceException("test", Errno.EIO);
        };
        Le64[] addresses = [.. Enumerable.Range(0, 40).Select(i => (Le64)(ulong)i)];
        List<int> lost = [];
        for (int i = 0; i < addresses.Length; i++)
        {
            try { Assert.Equal((ulong)i, ValueOf(addresses.AsSpan(i))); }
            catch (DeviceException) { lost.Add(i); }
        }

        Assert.Equal([Bad], lost);
    }

    [Theory]
    [InlineData(199, false)]
    [InlineData(200, true)]
    [InlineData(ulong.MaxValue - 1, true)]
    [InlineData(ulong.MaxValue, true)]
    public void Past_the_end_there_is_nothing_however_many_are_announced(ulong first, bool isLost)
    {
        Le64[] addresses = [first, first + 1, first + 2];
        Exception? fault = Record.Exception(() => { ValueOf(addresses); });

        if (isLost) Assert.Equal(first, Assert.IsType<MetadataCorruptException>(fault).Block);
        else Assert.Null(fault);
    }

    [Fact]
    public void A_block_that_was_passed_as_one_type_is_checked_as_another()
    {
        ValueOf([5]);

        Assert.Throws<MetadataCorruptException>(() => { _reader.Read([5], BTreeNodeValidator.Instance); });
    }

    private ulong ValueOf(ReadOnlySpan<Le64> addresses) =>
        ArrayBlockHeader.Values<Le64>(_reader.Read(addresses, ArrayBlockValidator.Instance).Span)[0];
}
