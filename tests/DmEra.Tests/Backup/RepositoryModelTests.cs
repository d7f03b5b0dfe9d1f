using DmEra.Backup.Images;
using DmEra.Backup.Reading;
using DmEra.Backup.Taking;

namespace DmEra.Tests.Backup;

/// <summary>Random writes, backups, prunes and restores, against copies of the whole device.</summary>
public sealed class RepositoryModelTests
{
    private const long Gibibyte = 1L << 30;

    public static TheoryData<int> SomeSeeds => Seeds.For(12);

    [Theory, MemberData(nameof(SomeSeeds))]
    public void Every_image_is_the_device_as_it_was_when_it_was_taken(int seed)
    {
        Random random = new(seed);
        RepositorySecret? secret = seed % 3 == 0 ? RepositorySecret.FromPassphrase("open sesame") : null;
        MemoryStore store = new();
        Repository repository = Repository.Create(store, secret);
        // Blocks of 4 KiB to 76 KiB, the last one not whole; up to three regions of a map.
        uint blockSectors = 8 * (uint)random.Next(1, 20);
        ModelSource source = new((random.NextInt64(1 << 20, Gibibyte * 5 / 4) / 512) + random.Next(8), blockSectors, Guid.NewGuid());
        Dictionary<uint, SparseDevice> taken = [];

        for (int step = 0; step < 25; step++)
        {
            switch (random.Next(10))
            {
                case < 5:
                    Scribble(source, random);
                    break;
                case < 8:
                    BackupKind kind = random.Next(8) == 0 ? BackupKind.Full : BackupKind.Incremental;
                    ImageManifest image = repository.Backup(source, kind);
                    taken.Add(image.Number, source.Disk.Copy());
                    source.CurrentEra++;
                    break;
                case 8 when taken.Count > 0:
                    foreach (uint number in repository.Prune(random.Next(1, 5)).Dropped) taken.Remove(number);
                    break;
                default:
                    source.Resize(Math.Max(blockSectors, source.Device.SizeSectors + random.Next(-5000, 5000)));
                    break;
            }
        }

        // As another program would find it.
        repository = Repository.Open(new MemoryStore(store.Content), secret);
        Assert.Equal(taken.Keys.Order(), repository.ImageNumbers());
        Assert.Empty(repository.Verify());
        foreach ((uint number, SparseDevice then) in taken)
        {
            ImageManifest image = repository.ReadImage(number);
            Assert.Equal(-1, repository.Restore(image).FirstDifference(then));
            CompareAtRandom(repository, image, then, random);
        }
    }

    private static void Scribble(ModelSource source, Random random)
    {
        byte[] content = new byte[source.Device.BlockSizeSectors * 512];
        int middle = random.Next(source.Blocks);
        for (int i = random.Next(1, 80); i > 0; i--)
        {
            // Now here and there, now close together.
            int block = random.Next(3) == 0
                ? random.Next(source.Blocks)
                : Math.Clamp(middle + random.Next(-20, 20), 0, source.Blocks - 1);
            Array.Clear(content);
            if (random.Next(5) > 0) random.NextBytes(content.AsSpan(0, random.Next(1, content.Length)));
            source.Write(block, content);
        }
    }

    private static void CompareAtRandom(Repository repository, ImageManifest image, SparseDevice then, Random random)
    {
        using ImageDevice device = ImageDevice.Open(repository, image, "test");
        for (int i = 0; i < 50; i++)
        {
            long offset = random.NextInt64(device.Length);
            byte[] expected = new byte[Math.Min(random.Next(1, 700_000), device.Length - offset)];
            byte[] actual = new byte[expected.Length];
            then.Read(offset, expected);
            device.Read(offset, actual);
            Assert.True(expected.AsSpan().SequenceEqual(actual), $"image {image.Number}, {expected.Length} bytes at {offset}");
        }
    }
}
