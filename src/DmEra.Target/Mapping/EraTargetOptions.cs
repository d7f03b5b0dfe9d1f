using DmEra.Devices.Threads;
using DmEra.Target.Chronicles;

namespace DmEra.Target.Mapping;

/// <summary>What may be chosen beside the table; the defaults suit every device.</summary>
public sealed record EraTargetOptions
{
    /// <summary>The most that <see cref="MarkAhead"/> can be.</summary>
    public const uint MostMarkedAhead = 1 << 16;

    /// <summary>Metadata blocks of 4 KiB kept in memory.</summary>
    public int CacheBlocks { get; init; } = 4096;

    /// <summary>The uuid that metadata gets when it is formatted; null: a random one.</summary>
    public Guid? Lineage { get; init; }

    /// <summary>The most blocks that are marked ahead of a sequential writer, up to <see cref="MostMarkedAhead"/>: lists of changes may name as many too
    /// many where it stopped. 0 = none; null: 64, or as many as make 4 MiB if that is less.</summary>
    public uint? MarkAhead
    {
        get;
        init
        {
            if (value > MostMarkedAhead) throw new ArgumentOutOfRangeException(nameof(value), value, message: null);
            field = value;
        }
    }

    /// <summary>Where the marks of eras are kept; null: beside metadata that is opened by its path, else nowhere. Disposed of with the
    /// target.</summary>
    public IEraChronicle? Chronicle { get; init; }

    /// <summary>Is told, a line each time and from any thread, of faults that no caller waits for. What it throws is dropped:
    /// a log that cannot be written to must not stop the device.</summary>
    public Action<string> Log
    {
        get;
        init => field = line =>
        {
            try { value(line); }
            catch (Exception)
            {
                return;     // there is nobody left to tell
            }
        };
    }

        = static _ => { };

    /// <summary>Where the target's threads come from, and where they wait.</summary>
    internal IThreads Threads { get; init; } = SystemThreads.Instance;
}
