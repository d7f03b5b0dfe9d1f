using DmEra.Backup.Images;
using DmEra.Backup.Restoring;
using DmEra.Backup.Sources;
using DmEra.Backup.Stores;
using DmEra.Backup.Taking;
using DmEra.Backup.Upkeep;

namespace DmEra.Tests.Backup;

/// <summary>What tests do with a repository, in few words.</summary>
internal static class TestRepository
{
    public static Repository New(IObjectStore store, RepositorySecret? secret = null) => Repository.Create(store, secret);

    public static ImageManifest Backup(this Repository repository, IBackupSource source, BackupKind kind = BackupKind.Incremental) =>
        BackupRun.Take(repository, source, kind, null, null, CancellationToken.None).Image;

    public static SparseDevice Restore(this Repository repository, ImageManifest image)
    {
        SparseDevice target = new(image.Device.SizeSectors * 512);
        ImageRestore.Run(repository, image, target, TargetContent.Zeroes, null, CancellationToken.None);
        return target;
    }

    public static IReadOnlyList<RepositoryDamage> Verify(this Repository repository, VerifyDepth depth = VerifyDepth.Content) =>
        DmEra.Backup.Upkeep.Verify.Run(repository, depth, null, CancellationToken.None).Damage;

    public static PruneReport Prune(this Repository repository, int last, DamagedImages damaged = DamagedImages.Count) =>
        DmEra.Backup.Upkeep.Prune.Run(repository, new KeepPolicy(last, 0, 0, 0), damaged, CancellationToken.None);
}
