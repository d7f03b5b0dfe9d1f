using DmEra.Devices;
using DmEra.Target.Chronicles;
using DmEra.Target.Metadata;

namespace DmEra.Tests.Target.Chronicles;

/// <summary>A device with a chronicle, as far as that sees it.</summary>
public abstract class ChronicledDevice : IDisposable
{
    private protected static readonly Guid Lineage = Guid.NewGuid();
    private protected static readonly FileStamp Origin = new(Inode: 7, Length: 1 << 20, ModifiedNanoseconds: 1000);

    private protected const long Length = 5000;

    private protected readonly TempFolder _folder = new();
    private protected readonly List<string> _log = [];
    private protected MetadataState _metadata = new(Lineage, CurrentEra: 0, IsEraOpen: false);
    private protected EraChronicle _chronicle;

    protected ChronicledDevice() => _chronicle = new EraChronicle(Metadata, _log.Add);

    private protected string Metadata => _folder["disk.era"];

    private protected string File => EraChronicle.PathFor(Metadata);

    public void Dispose()
    {
        _chronicle.Dispose();
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected Guid Mark(uint era) => Assert.NotNull(_chronicle.MarkOf(era));

    // As cp makes it, whoever has it open.
    private protected byte[] CopyOfFile()
    {
        using FileBlockDevice file = FileBlockDevice.OpenShared(File);
        byte[] bytes = new byte[file.Length];
        file.Read(0, bytes);
        return bytes;
    }

    private protected void Restart()
    {
        _chronicle.Dispose();
        _chronicle = new EraChronicle(Metadata, _log.Add);
    }

    private protected EraMark? Rest()
    {
        using EraChronicle backup = new(Metadata, _log.Add);
        _chronicle.Dispose();
        return backup.MarkRest(_metadata, Origin);
    }

    private protected void Resume(FileStamp? origin = null)
    {
        _chronicle.Open(_metadata, origin ?? Origin);
        _metadata = _metadata with { CurrentEra = _metadata.CurrentEra + 1, IsEraOpen = true };
        _chronicle.Begun(_metadata.CurrentEra, origin ?? Origin, Length);
    }

    private protected Guid Cross()
    {
        _metadata = _metadata with { CurrentEra = _metadata.CurrentEra + 1 };
        _chronicle.Begun(_metadata.CurrentEra, Origin, Length);
        return Mark(_metadata.CurrentEra);
    }

    private protected Guid Suspend()
    {
        _metadata = _metadata with { IsEraOpen = false };
        _chronicle.Ended(_metadata.CurrentEra, Origin, Length);
        return Mark(_metadata.CurrentEra + 1);
    }
}
