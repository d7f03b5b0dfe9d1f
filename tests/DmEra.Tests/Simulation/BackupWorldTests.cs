using DmEra.Simulation;
using DmEra.Simulation.Backups;
using Xunit.Abstractions;

namespace DmEra.Tests.Simulation;

public class BackupWorldTests(ITestOutputHelper output)
{
    private const int Worlds = 60;

    [Fact]
    public void Every_image_is_the_disk_at_one_moment_whatever_happens_to_machines_and_store()
    {
        Coverage coverage = new();
        for (int seed = 1; seed <= Worlds; seed++) BackupWorld.Run(seed, coverage);
        output.WriteLine(coverage.ToString());

        // Worlds in which none of it happens any more would find nothing, too.
        Assert.All(
            [
                "image is made", "image is made of what a backup has left", "image is restored", "images are pruned", "machine stands still",
                "program ends because of trouble", "program is killed", "program is refused", "prune finds no room", "repository is verified",
            ],
            what => Assert.True(coverage.Events.GetValueOrDefault(what) > 0, what));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Same_seed_gives_the_same_calls_to_the_store(int seed) =>
        Assert.Equal(BackupWorld.Run(seed, new Coverage()), BackupWorld.Run(seed, new Coverage()));
}
