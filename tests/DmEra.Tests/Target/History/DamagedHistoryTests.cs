using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Target.History;
using DmEra.Target.Mapping;
using DmEra.Tests.Tools;

namespace DmEra.Tests.Target.History;

/// <summary>Metadata whose checksums are right and whose numbers are not: reading it ends in an error that says what is
/// wrong, never in a wrong answer.</summary>
public class DamagedHistoryTests
{
    private const uint Blocks = 300_000;        // an index of two levels: 295 blocks of the era array
    private const int FirstKey = 32;
    private const int NodeEntries = 16;
    private const int NodeMaxEntries = 20;

    private static readonly Lazy<byte[]> Sound = new(() =>
    {
        TestTransactions eras = new(new ProbeDevice(1000 * BlockManager.BlockSize));
        eras.Eras.Resume(Blocks);
        eras.Mark(7);
        eras.Eras.RollOver();
        return eras.Device.ToArray();
    });

    private readonly ImageEditor _image = new([.. Sound.Value]);
    private readonly EraAudit _audit = EraAudit.Read(Sound.Value);

    private ulong Root => _audit.EraArrayRoot;

    private ulong FirstLeaf => Value(Root, 0);

    private ulong SecondArrayBlock => Value(FirstLeaf, 1);

    [Fact]
    public void What_is_sound_is_read()
    {
        uint[] eras = ReadAll(_image.Device);
        Assert.Equal(1u, eras[7]);
        Assert.Equal(1, eras.Count(era => era != 0));
    }

    [Fact]
    public void Array_block_of_another_capacity() => AssertDamaged(
        SecondArrayBlock, "array block: room for 1017 values of 4 bytes, not for 1018 of 4",
        _image.Edit(SecondArrayBlock, block => (block[4], block[8]) = (0xF9, 0xF9)));

    [Fact]
    public void Array_block_of_other_values() => AssertDamaged(
        SecondArrayBlock, "array block: room for 1018 values of 2 bytes, not for 1018 of 4", _image.Set32(SecondArrayBlock, 12, 2));

    [Fact]
    public void Array_block_with_too_few_values() =>
        AssertDamaged(SecondArrayBlock, "array block: 1017 entries, not 1018", _image.Set32(SecondArrayBlock, 8, 1017));

    [Fact]
    public void Array_block_that_the_index_leaves_out() =>
        AssertDamaged(FirstLeaf, "btree node: array block 125 is missing", _image.Set32(FirstLeaf, NodeEntries, 125));

    [Fact]
    public void Array_block_past_the_end_of_the_metadata() =>
        AssertDamaged(1000, "past the end: the metadata has 1000 blocks", _image.Set64(FirstLeaf, ValueAt(FirstLeaf, 1), 1000));

    [Fact]
    public void Node_with_other_values() =>
        AssertDamaged(FirstLeaf, "btree node: not one with values of 8 bytes", _image.Set32(FirstLeaf, 24, 4));

    [Fact]
    public void Node_with_keys_below_its_parents() => AssertDamaged(
        Value(Root, 1), "btree node: keys out of the parent's range",
        _image.Set64(Root, FirstKey + 8, _image.Get64(Root, FirstKey + 8) + 1), from: Blocks / 4 * 3);

    [Fact]
    public void Node_with_keys_above_its_parents() => AssertDamaged(
        FirstLeaf, "btree node: keys out of the parent's range",
        _image.Set64(Root, FirstKey + 8, _image.Get64(Root, FirstKey + 8) - 1));

    [Fact]
    public void Node_without_entries_below_the_root() =>
        AssertDamaged(FirstLeaf, "btree node: empty", _image.Set32(FirstLeaf, NodeEntries, 0));

    [Fact]
    public void Root_without_entries_that_is_no_leaf() => AssertDamaged(
        Root, "btree node: internal node without children", _image.Set32(Root, NodeEntries, 0));

    [Fact]
    public void Node_that_is_its_own_child() => AssertDamaged(
        Root, "btree node: the tree is too deep", _image.Set32(Root, NodeEntries, 1).Set64(Root, ValueAt(Root, 0), Root));

    [Fact]
    public void Writeset_of_an_era_that_no_number_holds() => AssertDamaged(
        _audit.WritesetTreeRoot, "btree node: era 4294967297 is out of range",
        _image.Set64(_audit.WritesetTreeRoot, FirstKey, 1 + (1UL << 32)));

    [Fact]
    public void A_superblock_that_is_being_written_is_read_again()
    {
        using ProbeDevice metadata = SnapshotTaken();
        byte[] whole = metadata.ToArray();
        int reads = 0;
        metadata.Write(100, new byte[1]);
        metadata.Write(33, [0xFF]);
        metadata.Before = operation =>
        {
            if (operation is { Call: DeviceCall.Read, Offset: 0 } && ++reads == 3) metadata.Write(0, whole.AsSpan(0, 4096));
        };

        using EraHistory? history = EraHistory.OpenSnapshot(metadata);

        Assert.NotNull(history);
        Assert.Equal(3, reads);
    }

    [Fact]
    public void A_superblock_that_stays_damaged_is_given_up()
    {
        using ProbeDevice metadata = SnapshotTaken();
        metadata.Write(33, [0xFF]);

        Assert.Throws<MetadataCorruptException>(() => EraHistory.OpenSnapshot(metadata));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_snapshot_that_cannot_be_read_was_dropped_or_is_damaged(bool isDropped)
    {
        using ProbeDevice metadata = SnapshotTaken();
        EraAudit audit = EraAudit.Read(metadata.ToArray());
        byte[] dropped = MetadataImage.WithSuperblock(metadata.ToArray(), superblock => superblock[216..224].Clear());
        long tree = (long)audit.Snapshot!.WritesetTreeRoot * BlockManager.BlockSize;
        metadata.Before = operation =>
        {
            if (operation.Call != DeviceCall.Read || operation.Offset != tree) return;
            metadata.Before = null;
            metadata.Write(tree, new byte[BlockManager.BlockSize]);     // used anew
            if (isDropped) metadata.Write(0, dropped.AsSpan(0, BlockManager.BlockSize));
        };

        Exception? fault = Record.Exception(() => EraHistory.OpenSnapshot(metadata));

        Assert.IsType(isDropped ? typeof(SnapshotDroppedException) : typeof(MetadataCorruptException), fault);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public void A_snapshot_whose_superblock_cannot_be_read_was_dropped_or_is_damaged(bool isDropped, bool isTakenAgain)
    {
        using ProbeDevice metadata = SnapshotTaken();
        ulong address = EraAudit.Read(metadata.ToArray()).SnapshotAddress;
        long place = (long)address * BlockManager.BlockSize;
        byte[] snapshot = metadata.ToArray().AsSpan((int)place, BlockManager.BlockSize).ToArray();
        byte[] dropped = MetadataImage.WithSuperblock(metadata.ToArray(), superblock => superblock[216..224].Clear());
        int reads = 0;
        metadata.Before = operation =>
        {
            if (operation.Call != DeviceCall.Read || operation.Offset != place) return;
            reads++;
            if (reads == 1) metadata.Write(place, new byte[BlockManager.BlockSize]);    // used anew
            if (reads == 1 && isDropped) metadata.Write(0, dropped.AsSpan(0, BlockManager.BlockSize));
            if (reads == 2 && isTakenAgain) metadata.Write(place, snapshot);
        };

        Exception? fault = Record.Exception(() => EraHistory.OpenSnapshot(metadata)?.Dispose());

        if (isTakenAgain) Assert.Null(fault);
        else Assert.IsType(isDropped ? typeof(SnapshotDroppedException) : typeof(MetadataCorruptException), fault);
    }

    [Fact]
    public void Eras_of_a_snapshot_that_was_dropped_and_written_over_say_so()
    {
        using ProbeDevice metadata = SnapshotTaken();
        EraAudit audit = EraAudit.Read(metadata.ToArray());
        using EraHistory history = EraHistory.OpenSnapshot(metadata)!;
        metadata.Write((long)audit.Snapshot!.EraArrayRoot * BlockManager.BlockSize, new byte[BlockManager.BlockSize]);
        Assert.Throws<MetadataCorruptException>(() => history.ReadEras(0, new uint[8]));

        metadata.Write(0, MetadataImage.WithSuperblock(metadata.ToArray(), superblock => superblock[216..224].Clear()).AsSpan(0, 4096));
        Assert.Throws<SnapshotDroppedException>(() => history.ReadEras(0, new uint[8]));
    }

    [Fact]
    public void A_list_of_a_snapshot_that_was_dropped_and_written_over_says_so()
    {
        using ProbeDevice metadata = SnapshotTaken();
        EraAudit audit = EraAudit.Read(metadata.ToArray());
        using EraHistory history = EraHistory.OpenSnapshot(metadata)!;
        metadata.Write((long)audit.Snapshot!.EraArrayRoot * BlockManager.BlockSize, new byte[BlockManager.BlockSize]);
        Assert.Throws<MetadataCorruptException>(() => history.WrittenSince(1).ToArray());

        metadata.Write(0, MetadataImage.WithSuperblock(metadata.ToArray(), superblock => superblock[216..224].Clear()).AsSpan(0, 4096));
        Assert.Throws<SnapshotDroppedException>(() => history.WrittenSince(1).ToArray());
    }

    [Theory]
    [InlineData("era:last")]
    [InlineData("era:since-1")]
    [InlineData("era:since-2")]
    public void Every_damaged_block_makes_an_answer_an_error_and_never_a_wrong_one(string context)
    {
        using TestEra era = TestEra.Active(3000);
        era.Write(5, 2999);
        era.Target.Checkpoint();
        era.Write(6);
        era.Threads.UntilWaiting(1);
        byte[] sound = era.Metadata.ToArray();
        List<Extent> expected = Describe();
        int errors = 0;
        for (ulong block = 1; block < (ulong)era.Metadata.Length / BlockManager.BlockSize; block++)
        {
            era.Metadata.Write(0, MetadataImage.WithDamage(sound, block));
            try { Assert.Equal(expected, Describe()); }
            catch (DeviceException fault)
            {
                Assert.StartsWith($"{context}: ", fault.Message, StringComparison.Ordinal);
                errors++;
            }
        }

        era.Metadata.Write(0, sound);
        Assert.InRange(errors, 4, 20);

        List<Extent> Describe()
        {
            List<Extent> extents = [];
            new EraContexts(era.Target).Find(context)!.Describe(0, era.Target.Device.Length, int.MaxValue, extents);
            return extents;
        }
    }

    private static void AssertDamaged(ulong block, string cause, ImageEditor image, uint from = 0)
    {
        MetadataCorruptException fault = Assert.Throws<MetadataCorruptException>(() => ReadAll(image.Device, from));
        Assert.EndsWith(cause, fault.Message, StringComparison.Ordinal);
        Assert.Equal(block, fault.Block);
    }

    private static uint[] ReadAll(IBlockDevice metadata, uint from = 0)
    {
        using EraHistory history = EraHistory.Open(metadata);
        uint[] eras = new uint[history.NrBlocks - from];
        history.ReadEras(from, eras);
        return eras;
    }

    private static ProbeDevice SnapshotTaken()
    {
        TestTransactions eras = new(new ProbeDevice(1 << 20));
        eras.Eras.Resume(1024);
        eras.Mark(7);
        eras.Eras.RollOver();
        eras.Eras.TakeSnapshot();
        return eras.Device;
    }

    private int ValueAt(ulong node, int entry) => FirstKey + (8 * (int)_image.Get32(node, NodeMaxEntries)) + (8 * entry);

    private ulong Value(ulong node, int entry) => _image.Get64(node, ValueAt(node, entry));
}
