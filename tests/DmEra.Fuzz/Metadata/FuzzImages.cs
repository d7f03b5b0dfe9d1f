using DmEra.Devices;
using DmEra.Devices.Threads;
using DmEra.Fuzz.Content;
using DmEra.Target.History;
using DmEra.Target.Mapping;
using DmEra.Target.Metadata;

namespace DmEra.Fuzz.Metadata;

/// <summary>Metadata in every state that the target leaves, made by the target itself; and some made by hand, in which more blocks are
/// shared than it shares.</summary>
internal sealed class FuzzImages
{
    private const int MetadataBytes = 4 << 20;

    private static readonly Dictionary<string, (uint Blocks, Action<FuzzImages> Run)> Kinds = new(StringComparer.Ordinal)
    {
        ["formatted"] = (0, static images => images._device.Flush()),
        ["fresh"] = (200, static images => images._eras.Archive()),
        ["digested"] = (5000, static images => images.Run(8).Digest()._eras.Archive()),
        ["open"] = (5000, static images => images.Run(5).Digest().Run(4).Mark()),
        ["snapshot"] = (9000, static images => images.Run(4).Digest().Run(2).Snapshot().Run(3).Mark()),
        ["wide"] = (260_000, static images => images.Run(1).Digest().Run(1)._eras.Archive()),
        ["many"] = (200, static images => images.Run(250)._eras.Archive()),
    };

    private static readonly Dictionary<string, Func<EraContent>> Handmade = new(StringComparer.Ordinal)
    {
        ["shared"] = static () => EqualLeaves.OfLength(9000),
        ["shared open"] = static () => EqualLeaves.Get("an open era with marks"),
        ["shared archived"] = static () => EqualLeaves.Get("archived writesets"),
        ["shared snapshot"] = static () => EqualLeaves.Get("a metadata snapshot"),
    };

    private static readonly Lazy<IReadOnlyList<FuzzImage>> Images = new(() =>
    [
        .. Kinds.Select(kind => Make(kind.Key, kind.Value.Blocks, kind.Value.Run)),
        .. Handmade.Select(kind => Make(kind.Key, kind.Value())),
    ]);

    private readonly MemoryBlockDevice _device = new(MetadataBytes);
    private readonly Random _random = new(1);
    private readonly EraMetadata _metadata;
    private readonly EraTransactions _eras;
    private readonly uint _blocks;

    private FuzzImages(uint blocks)
    {
        _blocks = blocks;
        _metadata = EraMetadata.OpenOrFormat(_device, cacheBlocks: 1024, dataBlockSize: 8, Guid.Empty);
        _eras = new EraTransactions(_metadata, SystemThreads.Instance, new MarkAhead(0), static _ => { });
        if (blocks > 0) _eras.Resume(blocks);
    }

    /// <summary>What the images are called.</summary>
    public static IEnumerable<string> Names => Kinds.Keys.Concat(Handmade.Keys);

    /// <summary>One image of each kind.</summary>
    public static IReadOnlyList<FuzzImage> All => Images.Value;

    private static FuzzImage Make(string name, uint blocks, Action<FuzzImages> run)
    {
        FuzzImages images = new(blocks);
        run(images);
        return new FuzzImage(name, images._device.ToArray());
    }

    private static FuzzImage Make(string name, EraContent content) =>
        new(name, ContentWriter.Write(content, isShared: true, spareBlocks: 200, dataBlockSectors: 8).ToArray());

    /// <summary>Some eras with some writes each.</summary>
    private FuzzImages Run(int eras)
    {
        for (int era = 0; era < eras; era++)
        {
            Mark();
            _eras.RollOver();
        }

        return this;
    }

    private FuzzImages Mark()
    {
        MarkGroup group = new(SystemThreads.Instance);
        for (int i = 0; i < 5; i++)
        {
            uint begin = (uint)_random.Next((int)_blocks);
            group.Add(new BlockRange(begin, (uint)Math.Min(begin + _random.Next(1, 100), _blocks)));
        }

        _eras.Mark(group);
        return this;
    }

    private FuzzImages Digest()
    {
        while (_eras.HasDigestion) _eras.DigestStep();
        _eras.RollOver();
        return this;
    }

    private FuzzImages Snapshot()
    {
        _eras.TakeSnapshot();
        return this;
    }
}
