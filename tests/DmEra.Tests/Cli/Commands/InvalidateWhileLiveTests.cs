using DmEra.Cli;
using DmEra.Target.Mapping;
using DmEra.Tests.Target;

namespace DmEra.Tests.Cli.Commands;

/// <summary><c>era invalidate --metadata-snapshot</c> while the device is written to.</summary>
public sealed class InvalidateWhileLiveTests : IDisposable
{
    private const int Blocks = 100_000;
    private const int BlockBytes = 4096;

    private readonly TempFolder _folder = new();
    private readonly EraTarget _target;
    private readonly HashSet<uint> _begun = [];         // blocks of which a write was begun, or has completed
    private readonly HashSet<uint> _completed = [];
    private volatile HashSet<uint> _inSnapshot = [];    // blocks that any snapshot from now on must have
    private volatile bool _isOver;

    public InvalidateWhileLiveTests()
    {
        EraTable table = new(
            startSectors: 0,
            (long)Blocks * BlockBytes / EraTable.SectorSize,
            _folder.Sparse("meta", 8 << 20),
            _folder.Sparse("origin", (long)Blocks * BlockBytes),
            BlockBytes / EraTable.SectorSize);
        _target = EraTarget.Create(table, new EraTargetOptions());
        _target.Resume();
    }

    [Theory, MemberData(nameof(Seeds.For), 3, MemberType = typeof(Seeds))]
    public void It_lists_what_was_written_before_the_snapshot_and_nothing_that_was_not(int seed)
    {
        Background writer = Background.Run(() => Write(new Random(seed)));
        for (int round = 0; round < 10; round++)
        {
            HashSet<uint> before = Copy(_completed);
            _target.TakeMetadataSnapshot();
            HashSet<uint> after = Copy(_begun);

            CommandRun run = Invalidate();

            Assert.Equal((ExitCode.Done, ""), (run.ExitCode, run.Error));
            HashSet<uint> listed = Listed(run);
            Assert.Subset(listed, before);
            Assert.Subset(after, listed);
            _target.DropMetadataSnapshot();
        }

        _isOver = true;
        writer.Join();
    }

    [Theory, MemberData(nameof(Seeds.For), 3, MemberType = typeof(Seeds))]
    public void A_snapshot_that_goes_away_meanwhile_is_noticed(int seed)
    {
        Random random = new(seed);
        Background snapshots = Background.Run(() =>
        {
            while (!_isOver)
            {
                _inSnapshot = Copy(_completed);
                _target.TakeMetadataSnapshot();
                for (int writes = random.Next(30); writes > 0; writes--) WriteOne(random);
                _target.DropMetadataSnapshot();
            }
        });
        for (int listed = 0, dropped = 0; listed < 5 || dropped < 5;)
        {
            HashSet<uint> atLeast = _inSnapshot;

            CommandRun run = Invalidate();

            if (run.ExitCode == ExitCode.Done)
            {
                Assert.Subset(Listed(run), atLeast);
                listed++;
            }
            else
            {
                Assert.Matches("no metadata snapshot taken|the metadata snapshot was dropped while it was read", run.Error);
                dropped++;
            }
        }

        _isOver = true;
        snapshots.Join();
    }

    public void Dispose()
    {
        _isOver = true;
        _target.Dispose();
        _folder.Dispose();
    }

    private CommandRun Invalidate() => CommandRun.Of("invalidate", "--written-since", "1", "--metadata-snapshot", _folder["meta"]);

    private static HashSet<uint> Listed(CommandRun run) => [.. Oracle.Blocks(Oracle.BlockRanges(run.Output))];

    private void Write(Random random)
    {
        while (!_isOver) WriteOne(random);
    }

    private void WriteOne(Random random)
    {
        uint block = (uint)random.Next(Blocks);
        lock (_begun) _begun.Add(block);
        _target.Device.Write(block * (long)BlockBytes, new byte[512]);
        lock (_completed) _completed.Add(block);
    }

    private static HashSet<uint> Copy(HashSet<uint> blocks)
    {
        lock (blocks) return [.. blocks];
    }
}
