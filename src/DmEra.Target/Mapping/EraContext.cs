using System.Buffers;
using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Target.History;

namespace DmEra.Target.Mapping;

/// <summary>Answers from what is committed when it is asked, read beside the running device. A write that has been
/// acknowledged is part of that, for its mark was durable before.</summary>
internal abstract class EraContext(string name, EraTarget target) : IBlockStatusContext
{
    /// <inheritdoc/>
    public string Name { get; } = name;

    /// <inheritdoc/>
    public void Describe(long offset, long length, int maxExtents, List<Extent> extents)
    {
        try
        {
            using EraHistory history = target.OpenHistory();
            long blockBytes = history.DataBlockSize * (long)EraTable.SectorSize;
            BlockRange blocks = new(
                (uint)Math.Min(offset / blockBytes, history.NrBlocks),
                (uint)Math.Min((offset + length + blockBytes - 1) / blockBytes, history.NrBlocks));
            Describe(history, blocks, new BlockExtents(blockBytes, offset, length, maxExtents, extents));
        }
        catch (EraTargetException fault)
        {
            throw new DeviceException($"{Name}: {fault.Message}", fault.Errno);
        }
        catch (Exception fault) when (fault is MetadataException or EraNotBegunException)
        {
            // The latter: the metadata was put back from a copy since the client has chosen the context.
            throw new DeviceException($"{Name}: {fault.Message}", Errno.EIO);
        }
    }

    /// <summary>Tells of these blocks, which the history has, and of anything behind them as if it was just written:
    /// unknown counts as changed.</summary>
    protected abstract void Describe(EraHistory history, BlockRange blocks, BlockExtents extents);
}

/// <summary>Bit 0: written in that era or later; of a moment that is not of the device's history, or not any more: everything.</summary>
/// <param name="name">Its name.</param>
/// <param name="since">The era.</param>
/// <param name="isUnknown">Whether the moment is not of the history: asked of each query, since the metadata may be put back from a copy,
/// or the origin changed by something else, long after a client has chosen the context.</param>
/// <param name="target">The device.</param>
internal sealed class WrittenSinceContext(string name, uint since, Func<bool> isUnknown, EraTarget target) : EraContext(name, target)
{
    private const uint Clean = 0;
    private const uint Dirty = 1;

    protected override void Describe(EraHistory history, BlockRange blocks, BlockExtents extents)
    {
        // Asked when the history is open: what is found out later is of a later one.
        if (isUnknown())
        {
            extents.AddRest(Dirty);
            return;
        }

        foreach (BlockRange run in history.WrittenSince(since, blocks))
        {
            if (!extents.AddUpTo(run.Begin, Clean) || !extents.AddUpTo(run.End, Dirty)) return;
        }

        if (extents.AddUpTo(blocks.End, Clean)) extents.AddRest(Dirty);
    }
}

/// <summary>The status is the number of the era; 0 = never written.</summary>
internal sealed class LastWrittenContext(string name, EraTarget target) : EraContext(name, target)
{
    // Eras read in one go, a multiple of the blocks in a word of a writeset.
    private const uint Window = 1 << 14;

    protected override void Describe(EraHistory history, BlockRange blocks, BlockExtents extents)
    {
        uint[] window = ArrayPool<uint>.Shared.Rent((int)Math.Min(blocks.Count, Window));
        try
        {
            for (uint begin = blocks.Begin; begin < blocks.End;)
            {
                Span<uint> eras = window.AsSpan(0, (int)Math.Min(blocks.End - begin, Window));
                history.ReadEras(begin, eras);
                if (!Add(begin, eras, extents)) return;
                begin += (uint)eras.Length;
            }

            extents.AddRest(history.CurrentEra);
        }
        finally
        {
            ArrayPool<uint>.Shared.Return(window);
        }
    }

    private static bool Add(uint begin, ReadOnlySpan<uint> eras, BlockExtents extents)
    {
        while (!eras.IsEmpty)
        {
            int other = eras.IndexOfAnyExcept(eras[0]);
            int count = other < 0 ? eras.Length : other;
            begin += (uint)count;
            if (!extents.AddUpTo(begin, eras[0])) return false;
            eras = eras[count..];
        }

        return true;
    }
}
