using DmEra.Devices;
using DmEra.Nbd;
using DmEra.Nbd.Client;
using DmEra.Target.Labels;
using DmEra.Target.Mapping;

namespace DmEra.Serving.Hosting;

/// <summary>An origin with its metadata, opened and locked, and the target on both. It is suspended at first, and what had to be made
/// for it is removed again unless it comes to be resumed.</summary>
public sealed class EraDisk : IDisposable
{
    private readonly Stack<IDisposable> _owned = new();
    private readonly NewFiles _files;
    private readonly BitmapViews _views;

    private EraDisk(DeviceSettings settings, Action<string> log)
    {
        Settings = settings;
        try
        {
            _files = Own(new NewFiles());
            NbdBlockDevice? remote = RemoteOrigin.Parse(settings.Origin) is { } uri
                ? Own(RemoteOrigin.Connect(uri, settings.IsReadOnly, log)) : null;
            EraTable table = settings.Prepare(_files, remote);
            // What clients may do is all that is asked of the origin.
            FileBlockDevice? unwritten = remote is null && settings.IsReadOnly ? Own(OpenUnwritten(table)) : null;
            EraTargetOptions options = new() { Log = log, MarkAhead = settings.MarkAhead };
            IBlockDevice? origin = remote is null ? unwritten : remote;
            Target = Own(origin is null ? EraTarget.Create(table, options) : EraTarget.Create(table, origin, options));
            FileBlockDevice? file = remote is null ? Own(FileBlockDevice.OpenShared(table.OriginPath)) : null;
            if (!string.Equals(file?.Identity, Target.OriginIdentity, StringComparison.Ordinal))
                throw new ServingException($"{table.OriginPath}: is being replaced just now; try again");

            IBlockStatusCatalog allocation = file is null ? remote!.Contexts : new BlockStatusCatalog(new AllocationContext(file));
            DeviceLabels labels = new(table.MetadataPath, () => Target.History, log);
            EraContexts eras = new(Target, labels);
            Eras = new EraFinder(Target, labels);
            _views = new BitmapViews(eras, allocation);
            Export = new NbdExport(
                settings.Name,
                Target.Device,
                settings.Bitmap is { } shown ? _views.Always(shown) : new BlockStatusCatalog([], [allocation, eras]))
            {
                Views = _views.Find,
                IsReadOnly = settings.IsReadOnly,
                MinimumBlock = remote?.MinimumBlock ?? 1,
            };
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What it was opened by.</summary>
    public DeviceSettings Settings { get; }

    /// <summary>The target.</summary>
    public EraTarget Target { get; }

    /// <summary>Finds eras by what people call them.</summary>
    public EraFinder Eras { get; }

    /// <summary>The disk as NBD clients see it.</summary>
    public NbdExport Export { get; }

    /// <summary>Opens it, and makes what is missing.</summary>
    /// <param name="settings">Which one.</param>
    /// <param name="log">Is told, a line each time and from any thread, of faults that no caller waits for.</param>
    /// <exception cref="IOException">It cannot be opened.</exception>
    /// <exception cref="EraTargetException">Something is wrong with origin or metadata.</exception>
    public static EraDisk Open(DeviceSettings settings, Action<string> log) => new(settings, log);

    /// <summary>Begins the first era of this run, and lets requests in.</summary>
    /// <exception cref="ServingException">There is nothing to show clients as the bitmap that was asked for. What was made is kept: clients
    /// may have written to it.</exception>
    /// <exception cref="EraTargetException">As for <see cref="EraTarget.Resume"/>.</exception>
    public void Resume()
    {
        Target.Resume();
        _files.Keep();
        if (Settings.Bitmap is { } era && _views.Find(era) is null)
            throw new ServingException($"{Settings.Name} has no era or label '{era}'; see 'era labels' and 'era status'");
    }

    /// <summary>Archives the era, commits, and lets go of the files.</summary>
    public void Dispose()
    {
        while (_owned.TryPop(out IDisposable? part)) part.Dispose();
    }

    private static FileBlockDevice OpenUnwritten(EraTable table) =>
        FileStatus.TryOf(table.MetadataPath) is { } metadata && metadata.Identity == FileStatus.TryOf(table.OriginPath)?.Identity
            ? throw new ServingException($"{table.OriginPath}: is the metadata device as well; give the metadata a file of its own")
            : FileBlockDevice.OpenReadOnly(table.OriginPath);

    private T Own<T>(T part)
        where T : IDisposable
    {
        _owned.Push(part);
        return part;
    }
}
