using DmEra.Backup.Images;
using DmEra.Backup.Sources;
using DmEra.Backup.Stores;
using DmEra.Devices;
using DmEra.Target.Chronicles;
using DmEra.Target.History;
using DmEra.Target.Tracking;

namespace DmEra.Tests.Backup.Sources;

/// <summary>Images of a device that is written to while they are taken.</summary>
public sealed class LiveSourceTests : IDisposable
{
    private const int Blocks = 200;

    private readonly TempFolder _folder = new();
    private readonly ModelSource _model = new((Blocks * 128) - 24, lineage: Guid.NewGuid());
    private readonly Repository _repository = TestRepository.New(new MemoryStore());

    public static TheoryData<int> SomeSeeds => new(Seeds.For(20));

    [Theory, MemberData(nameof(SomeSeeds))]
    public void An_image_is_of_the_moment_at_which_writes_were_held_up(int seed)
    {
        Random random = new(seed);
        ModelLiveDevice device = new(_model) { Users = () => WriteSome(random, 2) };
        WriteSome(random, 40);
        using LiveSource source = new(device, LiveHooks.None, TimeProvider.System);
        for (int i = 0; i < 3; i++)
        {
            ImageManifest image = _repository.Backup(source);

            Assert.Equal(ImageConsistency.Paused, image.Consistency);
            Assert.Equal(-1, _repository.Restore(image).FirstDifference(device.Then!));
            Assert.Equal(i + 1, device.Suspensions);
            Assert.False(device.IsSuspended);
        }

        Assert.Equal([null, 1u, 2u], _repository.ImageNumbers().Select(number => _repository.ReadImage(number).Parent?.Number));
        Assert.Empty(_repository.Verify());
    }

    [Fact]
    public void Writes_wait_only_for_what_fits_into_memory()
    {
        // More than a pass may leave for the pause: two rewrites of the whole device a pass, for the first passes.
        ModelSource large = new((32 << 20) / 512, lineage: Guid.NewGuid());
        Random random = new(1);
        int reads = 0;
        ModelLiveDevice device = new(large)
        {
            Users = () =>
            {
                if (reads++ < 300) large.Write(random.Next(large.Blocks), random);
            },
        };
        for (int block = 0; block < large.Blocks; block++) large.Write(block, random);
        using LiveSource source = new(device, LiveHooks.None, TimeProvider.System);

        ImageManifest image = _repository.Backup(source);

        Assert.InRange(image.Cost.BytesRead, 33 << 20, 80 << 20);
        Assert.Equal(-1, _repository.Restore(image).FirstDifference(device.Then!));
    }

    [Fact]
    public void A_device_that_is_written_to_as_fast_as_it_is_read_is_let_go()
    {
        ModelSource large = new((32 << 20) / 512, lineage: Guid.NewGuid());
        uint era = 0;
        ModelLiveDevice device = new(large)
        {
            Users = () =>
            {
                // In every era, at the first chance: as often as images ask what was written.
                if (era == large.CurrentEra) return;
                era = large.CurrentEra;
                for (int block = 0; block < large.Blocks; block += 4) large.Write(block, new byte[65536]);
                for (int block = 1; block < large.Blocks; block += 2) large.Write(block, new byte[65536]);
            },
        };
        large.Write(0, new Random(2));
        using LiveSource source = new(device, LiveHooks.None, TimeProvider.System);

        RepositoryException refusal = Assert.Throws<RepositoryException>(() => _repository.Backup(source));

        Assert.Contains("written to as fast as it is read", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("--snapshot-cmd", refusal.Message, StringComparison.Ordinal);
        Assert.False(device.IsSuspended);
        Assert.Empty(_repository.ImageNumbers());
    }

    [Fact]
    public void An_image_is_refused_when_somebody_else_resumed_the_device()
    {
        ModelLiveDevice device = new(_model);
        using LiveSource source = new(new ResumedByOthers(device), LiveHooks.None, TimeProvider.System);
        _model.Write(1, new Random(3));

        RepositoryException refusal = Assert.Throws<RepositoryException>(() => _repository.Backup(source));

        Assert.Contains("resumed by somebody else", refusal.Message, StringComparison.Ordinal);
        Assert.False(device.IsSuspended);
        Assert.Empty(_repository.ImageNumbers());
    }

    [Fact]
    public void A_snapshot_is_made_while_writes_are_held_up_and_read_afterwards()
    {
        Random random = new(4);
        ModelLiveDevice device = new(_model, _folder["origin"]) { Users = () => WriteSome(random, 3) };
        WriteSome(random, 30);
        // Snapshots are made of what has come that far.
        device.WhenFlushed = () => WriteFile("origin", _model.Disk);
        device.Users!();
        LiveHooks hooks = new(
            $"echo freeze of $ERA_DEVICE >> {_folder["log"]}",
            $"echo thaw >> {_folder["log"]}",
            $"cp $ERA_ORIGIN {_folder["snapshot"]}; echo snapshot >> {_folder["log"]}; echo made:; echo {_folder["snapshot"]}",
            $"rm {_folder["snapshot"]}; echo release >> {_folder["log"]}");
        using LiveSource source = new(device, hooks, TimeProvider.System);

        ImageManifest image = _repository.Backup(source);

        Assert.Equal(ImageConsistency.Frozen, image.Consistency);
        Assert.Equal(-1, _repository.Restore(image).FirstDifference(device.Then!));
        Assert.Equal(["freeze of model", "snapshot", "thaw", "release"], File.ReadAllLines(_folder["log"]));
        Assert.False(File.Exists(_folder["snapshot"]));
    }

    [Theory]
    [InlineData("exit 3", "true", "true", "'exit 3' ended with exit status 3")]
    [InlineData("true", "exit 4", "true", "'exit 4' ended with exit status 4")]
    [InlineData("true", "true", "true", "did not print the path")]
    [InlineData("true", "echo /missing", "true", "/missing")]
    [InlineData("true", "echo LOG", "true", "shorter than the device")]
    [InlineData("true", "echo ORIGIN", "exit 5", "exit 5' ended with exit status 5")]
    public void A_command_that_fails_ends_the_backup_and_what_undoes_it_runs(
        string freeze, string snapshot, string release, string expected)
    {
        ModelLiveDevice device = new(_model, _folder["origin"]);
        _model.Write(3, new Random(5));
        WriteFile("origin", _model.Disk);
        File.WriteAllText(_folder["log"], "");
        snapshot = snapshot.Replace("LOG", _folder["log"], StringComparison.Ordinal)
            .Replace("ORIGIN", _folder["origin"], StringComparison.Ordinal);
        LiveHooks hooks = new(
            freeze, $"echo thaw >> {_folder["log"]}", snapshot, $"echo release >> {_folder["log"]}; {release}");
        using LiveSource source = new(device, hooks, TimeProvider.System);

        Exception failure = Assert.ThrowsAny<IOException>(() => _repository.Backup(source));

        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
        Assert.Equal(["thaw", "release"], File.ReadAllLines(_folder["log"]));
        Assert.False(device.IsSuspended);
        Assert.Empty(_repository.ImageNumbers());
    }

    public void Dispose()
    {
        _repository.Dispose();
        _folder.Dispose();
    }

    private void WriteSome(Random random, int count)
    {
        for (int i = random.Next(count + 1); i > 0; i--) _model.Write(random.Next(Blocks), random);
    }

    private void WriteFile(string name, SparseDevice content)
    {
        byte[] bytes = new byte[content.Length];
        content.Read(0, bytes);
        File.WriteAllBytes(_folder[name], bytes);
    }

    /// <summary>A device that somebody resumes and suspends again while it should be suspended.</summary>
    private sealed class ResumedByOthers(ModelLiveDevice device) : ILiveDevice
    {
        private int _asked;

        public DeviceIdentity Device => device.Device;

        public uint CurrentEra
        {
            get
            {
                uint era = device.CurrentEra;
                if (device.IsSuspended && _asked++ == 0)
                {
                    device.Unpause();
                    device.Pause();
                }

                return era;
            }
        }

        public string MessageCommand => device.MessageCommand;

        public DeviceDescription Describe() => device.Describe();

        public void RequireActive() => device.RequireActive();

        public uint FindEra(string name) => device.FindEra(name);

        public void WriteChanges(string since, ChangeListFormat format, Stream output) => device.WriteChanges(since, format, output);

        public IBlockDevice Origin => device.Origin;

        public string? MetadataPath => device.MetadataPath;

        public string OriginPath => device.OriginPath;

        public EraBeginning Checkpoint() => device.Checkpoint();

        public uint Gap => device.Gap;

        public EraMark? Pause() => device.Pause();

        public Guid? MarkOf(uint era) => device.MarkOf(era);

        public void Unpause() => device.Unpause();

        public IEnumerable<BlockRange> WrittenSince(uint era) => device.WrittenSince(era);

        public void Dispose() => device.Dispose();
    }
}
