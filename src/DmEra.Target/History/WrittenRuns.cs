using System.Runtime.CompilerServices;
using DmEra.PersistentData.Bitsets;
using DmEra.PersistentData.Blocks;

namespace DmEra.Target.History;

/// <summary>Finds the runs of blocks written in an era or later, a batch at a time.</summary>
internal sealed class WrittenRuns
{
    // Looked at in one go: 128 KiB of bits, small enough for the processor's cache.
    private const int WindowBlocks = 32 * (int)PersistentBitset.BitsPerBlock;

    private readonly WindowReader _reader;
    private readonly Action? _requireHeld;
    private readonly uint _since;
    private readonly BlockRange _within;
    private readonly WindowBits _written;
    private readonly BlockRange[] _found = new BlockRange[1024];
    private int _foundCount;
    private ulong _first;           // of the window looked at
    private int _at;                // what is next in the window
    private int _end;               // of the window, as far as it is asked for
    private int _marksEnd;          // no block from here on is written
    private BlockRange _unknown;    // not told of yet
    private BlockRange _last;       // may go on in the next window

    /// <summary>Sets out.</summary>
    /// <param name="reader">Reads the state.</param>
    /// <param name="since">An era.</param>
    /// <param name="within">The blocks asked for.</param>
    /// <param name="known">Blocks that the state knows; all others count as written.</param>
    /// <param name="requireHeld">Throws when the state is not held any more, so that what was read is worthless.</param>
    public WrittenRuns(WindowReader reader, uint since, BlockRange within, uint known, Action? requireHeld)
    {
        _requireHeld = requireHeld;
        _reader = reader;
        _since = since;
        _unknown = within.End > known ? new BlockRange(Math.Max(within.Begin, known), within.End) : default;
        _within = within = new BlockRange(Math.Min(within.Begin, known), Math.Min(within.End, known));
        _first = within.Begin / 64 * 64;    // windows begin where words of bitsets do
        _at = _marksEnd = _end = (int)(within.Begin - _first);

        // No more than is asked for: a client that asks for the status of a few blocks does so often.
        _written = new WindowBits((int)Math.Min(within.End - _first, WindowBlocks));
    }

    /// <summary>The runs found last, in ascending order.</summary>
    public ReadOnlySpan<BlockRange> Found => _found.AsSpan(0, _foundCount);

    /// <summary>Finds some more runs.</summary>
    /// <returns>false when there are no more.</returns>
    public bool FindMore()
    {
        _foundCount = 0;
        while (_foundCount < _found.Length)
        {
            if (_at < _marksEnd)
            {
                FindInWindow();
            }
            else if (_first + (ulong)_end < _within.End)
            {
                ReadWindow();
            }
            else if (_unknown.Count != 0)
            {
                Add(_unknown);
                _unknown = default;
            }
            else
            {
                if (_last.Count != 0) _found[_foundCount++] = _last;
                _last = default;
                break;
            }
        }

        if (_foundCount == 0) _requireHeld?.Invoke();
        return _foundCount > 0;
    }

    private void ReadWindow()
    {
        int begin = _end;
        if (begin == WindowBlocks)
        {
            _first += WindowBlocks;
            begin = 0;
        }

        _end = (int)Math.Min(_within.End - _first, WindowBlocks);
        _written.Clear();
        try
        {
            _reader.ReadWritten(_since, (uint)_first, _end, _written);
        }
        catch (MetadataCorruptException)
        {
            _requireHeld?.Invoke();
            throw;
        }

        _at = Math.Max(begin, _written.Begin);
        _marksEnd = Math.Min(_end, _written.End);
    }

    // Compiled once and for all: it runs too briefly for the runtime to find out that it is worth it.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FindInWindow()
    {
        while (_foundCount < _found.Length)
        {
            int begin = BlockBits.Next(_written.Words, true, _at, _marksEnd);
            if (begin == _marksEnd)
            {
                _at = _marksEnd;
                break;
            }

            _at = BlockBits.Next(_written.Words, false, begin, _marksEnd);
            Add(new BlockRange((uint)(_first + (ulong)begin), (uint)(_first + (ulong)_at)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Add(BlockRange run)
    {
        if (_last.Count != 0 && _last.End == run.Begin) run = new BlockRange(_last.Begin, run.End);
        else if (_last.Count != 0) _found[_foundCount++] = _last;
        _last = run;
    }
}
