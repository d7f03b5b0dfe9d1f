using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Bitsets;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Reading;

namespace DmEra.Target.History;

/// <summary>
/// Works out what a committed state says of a window of origin blocks. Where a piece cannot be read it throws; or,
/// given someone to tell, goes on as if the blocks of that piece were written in the current era.
/// </summary>
/// <param name="reader">Reads the metadata.</param>
/// <param name="state">The state.</param>
/// <param name="onLost">Told of what cannot be read; null: that is an error.</param>
public sealed class WindowReader(MetadataReader reader, CommittedState state, Action<LostPiece>? onLost = null)
{
    private readonly ArrayWalk<Le32> _eras = new(reader);
    private readonly ArrayWalk<Le64> _words = new(reader);

    /// <summary>Reads the era in which each block was last written; 0 = never.</summary>
    /// <param name="first">First block of the window, a multiple of 64.</param>
    /// <param name="eras">Receives the eras; the window must not end behind the origin.</param>
    /// <exception cref="MetadataCorruptException">A piece is damaged, and nobody to tell.</exception>
    /// <exception cref="DeviceException">The device failed, and nobody to tell.</exception>
    public void ReadEras(uint first, Span<uint> eras)
    {
        _eras.TurnTo(state.EraArray, first, first + (ulong)eras.Length);
        while (_eras.MoveNext())
        {
            if (_eras.Fault is not null)
            {
                Lose(new BlockRange((uint)_eras.Begin, (uint)_eras.End), "era array", _eras.FaultPath, _eras.Fault);
                eras[(int)(_eras.Begin - first)..(int)(_eras.End - first)].Fill(state.CurrentEra);
                continue;
            }

            _eras.CopyTo(MemoryMarshal.Cast<uint, Le32>(eras), first);
        }

        foreach (WritesetRef writeset in state.Writesets) RaiseEras(writeset, first, eras);
    }

    /// <summary>Sets the bit of each block that was written in era <paramref name="since"/> or later.</summary>
    /// <param name="since">An era.</param>
    /// <param name="first">First block of the window, a multiple of 64.</param>
    /// <param name="count">Blocks in the window.</param>
    /// <param name="written">Receives the bits; none is set at first.</param>
    /// <exception cref="MetadataCorruptException">A piece is damaged.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    internal void ReadWritten(uint since, uint first, int count, WindowBits written)
    {
        _eras.TurnTo(state.EraArray, first, first + (ulong)count);
        while (_eras.MoveNext())
        {
            if (_eras.Fault is not null) ExceptionDispatchInfo.Throw(_eras.Fault);
            AddErasSince(since, first, written);
        }

        foreach (WritesetRef writeset in state.Writesets)
        {
            if (writeset.Era >= since) AddMarks(writeset, first, count, written);
        }
    }

    private void AddErasSince(uint since, uint first, WindowBits written)
    {
        int begin = (int)(_eras.Begin - first);
        int end = (int)(_eras.End - first);
        ReadOnlySpan<uint> block = MemoryMarshal.Cast<Le32, uint>(_eras.Block);
        if (since > 0 && !BlockBits.AnyAbove(block, since - 1)) return;
        if (_eras.IsRepeated && (since == 0 || !block.ContainsAnyInRange(0u, since - 1)))
        {
            written.Set(begin, end);
            return;
        }

        Span<ulong> bits = written.Change(begin, end);
        for (ulong at = _eras.Begin; at < _eras.End;)
        {
            ReadOnlySpan<uint> values = Eras(at);
            BlockBits.SetWhereAtLeast(values, since, bits, (int)(at - first));
            at += (ulong)values.Length;
        }
    }

    private void AddMarks(WritesetRef writeset, uint first, int count, WindowBits written)
    {
        ulong end = Math.Min(first + (ulong)count, writeset.NrBits);
        _words.TurnTo(writeset.Words, first / 64, WordsUpTo(end));
        while (_words.MoveNext())
        {
            if (_words.Fault is not null) ExceptionDispatchInfo.Throw(_words.Fault);
            if (IsUnmarked()) continue;
            int at = (int)((_words.Begin * 64) - first);
            Span<ulong> bits = written.Change(at, (int)(Math.Min(_words.End * 64, end) - first));
            for (ulong word = _words.Begin; word < _words.End;)
            {
                ReadOnlySpan<ulong> words = Words(word);
                BlockBits.AddMarks(words, (int)(end - (word * 64)), bits[(int)((word * 64 - first) / 64)..]);
                word += (ulong)words.Length;
            }
        }
    }

    private void RaiseEras(WritesetRef writeset, uint first, Span<uint> eras)
    {
        ulong end = Math.Min(first + (ulong)eras.Length, writeset.NrBits);
        _words.TurnTo(writeset.Words, first / 64, WordsUpTo(end));
        while (_words.MoveNext())
        {
            if (_words.Fault is not null)
            {
                BlockRange blocks = new((uint)(_words.Begin * 64), (uint)Math.Min(_words.End * 64, end));
                Lose(blocks, $"writeset of era {writeset.Era}", _words.FaultPath, _words.Fault);
                eras.Slice((int)(blocks.Begin - first), (int)blocks.Count).Fill(state.CurrentEra);
                continue;
            }

            if (IsUnmarked()) continue;
            for (ulong word = _words.Begin; word < _words.End;)
            {
                ReadOnlySpan<ulong> words = Words(word);
                BlockBits.RaiseWhereMarked(words, writeset.Era, eras[(int)((word * 64) - first)..(int)(end - first)]);
                word += (ulong)words.Length;
            }
        }
    }

    private bool IsUnmarked() => !BlockBits.AnySet(MemoryMarshal.Cast<Le64, ulong>(_words.Block));

    private ReadOnlySpan<uint> Eras(ulong at) => MemoryMarshal.Cast<Le32, uint>(_eras.ValuesFrom(at));

    private ReadOnlySpan<ulong> Words(ulong at) => MemoryMarshal.Cast<Le64, ulong>(_words.ValuesFrom(at));

    private static ulong WordsUpTo(ulong end) => (end + 63) / 64;

    private void Lose(BlockRange blocks, string place, IReadOnlyList<ulong> path, Exception fault)
    {
        if (onLost is null) ExceptionDispatchInfo.Throw(fault);
        onLost(new LostPiece(place, blocks, [.. path], fault));
    }
}
