using System.Text;
using DmEra.Devices;
using DmEra.Target.Chronicles;
using DmEra.Target.History;
using DmEra.Target.Mapping;
using DmEra.Target.Metadata;

namespace DmEra.Tests.Target.Mapping;

/// <summary>A mark is written down at every boundary, after the metadata and before anyone can see the era.</summary>
public sealed class BoundaryMarksTests : IDisposable
{
    private readonly ProbeDevice _metadata = new(1 << 20);
    private readonly ProbeDevice _origin = new(1 << 20);
    private readonly ScriptedChronicle _chronicle = new();
    private readonly List<string> _log = [];
    private readonly EraTarget _target;

    public BoundaryMarksTests()
    {
        EraTable table = new(0, (1 << 20) / EraTable.SectorSize, "meta", "origin", TestEra.BlockSectors);
        _target = EraTarget.Create(table, _metadata, _origin, new EraTargetOptions { Chronicle = _chronicle, Log = _log.Add });
        _chronicle.Target = _target;
    }

    public void Dispose()
    {
        _target.Dispose();
        Assert.True(_chronicle.IsDisposed);
        Oracle.EraCheck(_metadata.ToArray());
    }

    [Fact]
    public void Every_boundary_is_told_in_order_and_before_its_era_is_seen()
    {
        _target.Resume();
        _target.Checkpoint();
        _target.TakeMetadataSnapshot();
        _target.Resize(_target.Table.LengthSectors - 8);
        _target.Suspend();
        _target.Resume();

        Assert.Equal(
            [
                "open 0, 0 seen", "begun 1, 0 seen", "room", "begun 2, 1 seen", "room", "begun 3, 2 seen",
                "ended 3", "open 3, 3 seen", "begun 4, 3 seen", "ended 4", "open 4, 4 seen", "begun 5, 4 seen",
            ],
            _chronicle.Calls);
    }

    [Fact]
    public void Who_pauses_a_device_is_told_the_mark_that_it_goes_on_with()
    {
        _target.Resume();
        using EraPause pause = _target.Pause();

        Assert.Equal(new EraMark(2, _chronicle.MarkOf(2)!.Value), pause.Next);
    }

    [Fact]
    public void What_cannot_be_written_down_is_published_to_nobody_and_the_device_goes_on()
    {
        _target.Resume();
        foreach (string refused in (string[])["room", "begun"])
        {
            uint before = _target.Status.CurrentEra;
            _chronicle.Refused = refused;
            EraTargetException fault = Assert.Throws<EraTargetException>(() => _target.Checkpoint());
            Assert.Equal(Errno.ENOSPC, fault.Errno);
            Assert.Contains("the chronicle of eras cannot be written", fault.Message, StringComparison.Ordinal);
            Assert.Equal(before, _target.Status.CurrentEra);
            _target.Device.Write(0, new byte[4096]);

            _chronicle.Refused = null;
            uint next = _target.Checkpoint();
            Assert.NotNull(_target.MarkOf(next));
        }
    }

    [Theory]
    [InlineData("open")]
    [InlineData("begun")]
    public void A_device_whose_chronicle_cannot_be_written_stays_suspended_until_it_can(string refused)
    {
        _chronicle.Refused = refused;
        Assert.Throws<EraTargetException>(_target.Resume);
        Assert.Equal(TargetState.Suspended, _target.State);
        Assert.Equal(0u, _target.Status.CurrentEra);

        _chronicle.Refused = null;
        _target.Resume();

        Assert.NotNull(_target.MarkOf(_target.Status.CurrentEra));
    }

    [Fact]
    public void Blocks_that_were_cut_off_in_vain_count_as_written_while_the_device_cannot_go_on()
    {
        _target.Resume();
        uint since = _target.Checkpoint();
        _target.Device.Write(3 * TestEra.BlockBytes, new byte[4096]);
        _target.Device.Write(7 * TestEra.BlockBytes, new byte[4096]);
        (_chronicle.Refused, _chronicle.RefusedThen) = ("begun", "open");
        Assert.Throws<EraTargetException>(() => _target.Resize(5 * TestEra.BlockSectors));
        Assert.Equal(TargetState.Resuming, _target.State);
        uint blocks = (uint)_target.Table.BlockCount;

        using EraHistory history = _target.OpenHistory();
        Assert.Equal(blocks, history.NrBlocks);
        Assert.Equal([new BlockRange(3, 4), new BlockRange(5, blocks)], history.WrittenSince(since));
        Assert.Equal([new BlockRange(7, 8)], history.WrittenSince(since, new BlockRange(7, 8)));
        Assert.Equal([new BlockRange(0, blocks)], history.WrittenSince(0));
        foreach (uint first in (uint[])[0, 3, 5, 200])
        {
            uint[] eras = new uint[blocks - first];
            history.ReadEras(first, eras);
            Assert.All(eras.Index(), era => Assert.Equal(era.Index + first is 3 or >= 5, era.Item >= since));
        }

        using MemoryStream list = new();
        ChangeList.Write(list, history, since, ChangeListFormat.Ranges);
        Assert.Equal($"3 4\n5 {blocks}\n", Encoding.ASCII.GetString(list.ToArray()));
    }

    [Fact]
    public void A_checkpoint_lets_nobody_into_a_device_that_could_not_be_resumed()
    {
        _target.Resume();
        _target.Suspend();
        _chronicle.Refused = "begun";
        Assert.Throws<EraTargetException>(_target.Resume);
        _chronicle.Refused = null;

        Assert.Equal(Errno.EAGAIN, Assert.Throws<EraTargetException>(() => _target.Checkpoint()).Errno);
        Assert.Equal(Errno.EAGAIN, Assert.Throws<EraTargetException>(_target.TakeMetadataSnapshot).Errno);

        Assert.Equal(TargetState.Suspended, _target.State);
        _target.Resume();
        Assert.NotNull(_target.MarkOf(_target.Status.CurrentEra));
    }

    [Fact]
    public void A_device_is_suspended_though_the_end_of_its_era_cannot_be_written_down()
    {
        _target.Resume();
        _chronicle.Refused = "ended";

        _target.Suspend();

        Assert.Equal(TargetState.Suspended, _target.State);
        Assert.Contains("cannot be written", Assert.Single(_log), StringComparison.Ordinal);
    }

    [Fact]
    public void The_end_of_an_era_that_could_not_be_archived_is_not_written_down()
    {
        _target.Resume();
        _metadata.Before = operation =>
        {
            if (operation.Call == DeviceCall.Flush) throw new DeviceException("metadata", Errno.EIO);
        };
        _target.Suspend();
        _metadata.Before = null;

        Assert.DoesNotContain("ended 1", _chronicle.Calls);
    }

    private sealed class ScriptedChronicle : IEraChronicle
    {
        private readonly Dictionary<uint, Guid> _marks = [];

        public List<string> Calls { get; } = [];

        public string? Refused { get; set; }

        /// <summary>What is refused when something has been.</summary>
        public string? RefusedThen { get; set; }

        public EraTarget? Target { get; set; }

        public bool IsDisposed { get; private set; }

        public uint Gap => 0;

        public long KnownLength => 0;

        public Guid? MarkOf(uint era) => _marks.TryGetValue(era, out Guid mark) ? mark : null;

        public void Open(MetadataState found, FileStamp origin) => Note("open", $"open {found.CurrentEra}, {Seen} seen");

        public void MakeRoom() => Note("room", "room");

        public void Begun(uint era, FileStamp origin, long length)
        {
            Note("begun", $"begun {era}, {Seen} seen");
            _marks.TryAdd(era, Guid.NewGuid());
        }

        public void Ended(uint era, FileStamp origin, long length)
        {
            Note("ended", $"ended {era}");
            _marks[era + 1] = Guid.NewGuid();
        }

        public void Dispose() => IsDisposed = true;

        private uint Seen => Target!.Status.CurrentEra;

        private void Note(string call, string line)
        {
            if (call == Refused)
            {
                Refused = RefusedThen ?? Refused;
                throw new DeviceException("chronicle", Errno.ENOSPC);
            }

            Calls.Add(line);
        }
    }
}
