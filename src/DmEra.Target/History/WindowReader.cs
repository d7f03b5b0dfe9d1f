using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;

namespace DmEra.Target.History;

/// <summary>
/// Works out what a committed state says of a window of origin blocks. Where a piece cannot be read it throws; or,
/// given someone to tell, goes on as if the blocks of that piece were written in the current era.
/// </summary>
internal sealed class WindowReader(MetadataReader reader, CommittedState state, Action<LostPiece>? onLost = null)
{
    private readonly ArrayReader<Le32> _eras = new(reader);
    private readonly ArrayReader<Le64> _words = new(reader);

    /// <summary>Reads the era in which each block was last written; 0 = never.</summary>
    /// <param name="first">First block of the window, a multiple of 64.</param>
    /// <param name="eras">Receives the eras; the window must not end behind the origin.</param>
    /// <exception cref="MetadataCorruptException">A piece is damaged, and nobody to tell.</exception>
    /// <exception cref="DeviceException">The device failed, and nobody to tell.</exception>
    public void ReadEras(uint first, Span<uint> eras)
    {
        ArrayPieces<Le32> pieces = new(_eras, state.EraArray, first, first + (ulong)eras.Length);
        while (pieces.MoveNext())
        {
            Span<uint> target = eras[(int)(pieces.Begin - first)..(int)(pieces.End - first)];
            if (pieces.Fault is null)
            {
                MemoryMarshal.Cast<Le32, uint>(pieces.Values).CopyTo(target);
                continue;
            }

            Lose(new BlockRange((uint)pieces.Begin, (uint)pieces.End), "era array", pieces.FaultPath, pieces.Fault);
            target.Fill(state.CurrentEra);
        }

        foreach (WritesetRef writeset in state.Writesets) RaiseEras(writeset, first, eras);
    }

    /// <summary>Sets the bit of each block that was written in era <paramref name="since"/> or later.</summary>
    /// <param name="since">An era.</param>
    /// <param name="first">First block of the window, a multiple of 64.</param>
    /// <param name="count">Blocks in the window.</param>
    /// <param name="written">A bit for each block, 0 at first.</param>
    /// <exception cref="MetadataCorruptException">A piece is damaged.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public void ReadWritten(uint since, uint first, int count, Span<ulong> written)
    {
        ArrayPieces<Le32> pieces = new(_eras, state.EraArray, first, first + (ulong)count);
        while (pieces.MoveNext())
        {
            if (pieces.Fault is not null) ExceptionDispatchInfo.Throw(pieces.Fault);
            ReadOnlySpan<uint> eras = MemoryMarshal.Cast<Le32, uint>(pieces.Values);
            BlockBits.SetWhereAtLeast(eras, since, written, (int)(pieces.Begin - first));
        }

        foreach (WritesetRef writeset in state.Writesets)
        {
            if (writeset.Era >= since) AddMarks(writeset, first, count, written);
        }
    }

    private void AddMarks(WritesetRef writeset, uint first, int count, Span<ulong> written)
    {
        ulong end = Math.Min(first + (ulong)count, writeset.NrBits);
        ArrayPieces<Le64> pieces = new(_words, writeset.Words, first / 64, WordsUpTo(end));
        while (pieces.MoveNext())
        {
            if (pieces.Fault is not null) ExceptionDispatchInfo.Throw(pieces.Fault);
            ulong firstBlock = pieces.Begin * 64;
            BlockBits.AddMarks(Words(pieces.Values), (int)(end - firstBlock), written[(int)((firstBlock - first) / 64)..]);
        }
    }

    private void RaiseEras(WritesetRef writeset, uint first, Span<uint> eras)
    {
        ulong end = Math.Min(first + (ulong)eras.Length, writeset.NrBits);
        ArrayPieces<Le64> pieces = new(_words, writeset.Words, first / 64, WordsUpTo(end));
        while (pieces.MoveNext())
        {
            int at = (int)((pieces.Begin * 64) - first);
            BlockBits.RaiseWhereMarked(Words(pieces.Values), writeset.Era, eras[at..(int)(end - first)]);
            if (pieces.Fault is null) continue;
            BlockRange blocks = new((uint)(pieces.Begin * 64), (uint)Math.Min(pieces.End * 64, end));
            Lose(blocks, $"writeset of era {writeset.Era}", pieces.FaultPath, pieces.Fault);
            eras.Slice(at, (int)blocks.Count).Fill(state.CurrentEra);
        }
    }

    private static ReadOnlySpan<ulong> Words(ReadOnlySpan<Le64> words) => MemoryMarshal.Cast<Le64, ulong>(words);

    private static ulong WordsUpTo(ulong end) => (end + 63) / 64;

    private void Lose(BlockRange blocks, string place, IReadOnlyList<ulong> path, Exception fault)
    {
        if (onLost is null) ExceptionDispatchInfo.Throw(fault);
        onLost(new LostPiece(place, blocks, [.. path], fault));
    }
}
