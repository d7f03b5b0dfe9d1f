namespace DmEra.Simulation.Model;

/// <summary>
/// What era must be able to say of each origin block, whatever happens: the whole product as two numbers a block.
/// </summary>
/// <remarks>
/// <para><b>Needed:</b> the newest era that some checkpoint, resume or status had told a client before a change of the
/// block was handed to the origin. "Written since that era" must list the block from then on: the change may
/// be on the disk, and a backup that began with that checkpoint may not have it.</para>
/// <para><b>Allowed:</b> the newest era that could have been current while a request for the block was
/// under way. A later one would be a mark for which nobody asked.</para>
/// <para><b>Ahead:</b> a block may count as written without a request where one of that era lies before it, by no more blocks than are
/// marked ahead of a sequential writer.</para>
/// <para>Blocks that a device gains something of count as changed: they may have been part of it before.</para>
/// </remarks>
/// <param name="sectors">Of the device at its longest.</param>
/// <param name="markAhead">The most blocks marked ahead of a writer.</param>
public sealed class EraModel(int sectors, int markAhead)
{
    private readonly uint[] _needed = new uint[WorldShape.BlocksIn(sectors)];
    private readonly uint[] _allowed = new uint[WorldShape.BlocksIn(sectors)];
    private readonly int[] _underWay = new int[WorldShape.BlocksIn(sectors)];
    private readonly List<Resize> _putOff = [];
    private int _shortest = sectors;    // that the metadata knows of at least, in sectors
    private int _ended;                 // of those that were put off

    /// <summary>Changes of the length that were ever put off.</summary>
    public int PutOffCount => _ended + _putOff.Count;

    /// <summary>Whether marks ahead of a writer were ever found.</summary>
    public bool HasMarksAhead { get; private set; }

    /// <summary>The newest era that a client was told of.</summary>
    public uint ToldEra { get; private set; }

    /// <summary>A checkpoint, a resume or a status answered with this era.</summary>
    public void Tell(uint era) => ToldEra = Math.Max(ToldEra, era);

    /// <summary>A client asks for a change of these blocks.</summary>
    public void Begin(int first, int end)
    {
        for (int block = first; block < end; block++) _underWay[block]++;
    }

    /// <summary>The request has ended, well or not; no era after <paramref name="newestEra"/> can have begun.</summary>
    public void End(int first, int end, uint newestEra)
    {
        for (int block = first; block < end; block++)
        {
            _underWay[block]--;
            _allowed[block] = Math.Max(_allowed[block], newestEra);
        }
    }

    /// <summary>A device of this many sectors is to be opened, or to get this many.</summary>
    /// <returns>To be given to <see cref="EndResize"/> or <see cref="PutOff"/>.</returns>
    public Resize BeginResize(int length)
    {
        // A block that was partly there gains something, too.
        _shortest = Math.Min(_shortest, length);
        Resize resize = new(length, _shortest / WorldShape.SectorsPerBlock);
        Begin(resize.FirstBlock, _underWay.Length);
        return resize;
    }

    /// <summary>The length is in force.</summary>
    public void EndResize(Resize resize, uint newestEra)
    {
        End(resize.FirstBlock, _underWay.Length, newestEra);
        if (_putOff.Count == 0) _shortest = resize.Length;
    }

    /// <summary>It failed, or the device waits: what was gained may be marked when it is next opened.</summary>
    public void PutOff(Resize resize) => _putOff.Add(resize);

    /// <summary>The device has been opened, which began when so many were put off.</summary>
    public void EndOpening(int putOff, uint newestEra)
    {
        // Others may have done so, and more been put off meanwhile: those stay.
        int ended = Math.Min(putOff - _ended, _putOff.Count);
        for (int i = 0; i < ended; i++) End(_putOff[i].FirstBlock, _underWay.Length, newestEra);
        if (ended <= 0) return;
        _putOff.RemoveRange(0, ended);
        _ended += ended;
    }

    /// <summary>A change of these blocks is handed to the origin.</summary>
    public void ReachOrigin(int first, int end)
    {
        for (int block = first; block < end; block++) _needed[block] = Math.Max(_needed[block], ToldEra);
    }

    /// <summary>The power went, with requests under way in eras up to <paramref name="newestEra"/>.</summary>
    public void LosePower(uint newestEra)
    {
        _ended += _putOff.Count;
        _putOff.Clear();
        for (int block = 0; block < _underWay.Length; block++)
        {
            if (_underWay[block] == 0) continue;
            _underWay[block] = 0;
            _allowed[block] = Math.Max(_allowed[block], newestEra);
        }
    }

    /// <summary>The metadata is as it was once, when this era was about to begin.</summary>
    public void StartOver(uint nextEra)
    {
        ToldEra = 0;
        _shortest = 0;
        _needed.AsSpan().Clear();
        _allowed.AsSpan().Fill(nextEra);
    }

    /// <summary>What must be known of each block by now.</summary>
    public uint[] Needed() => [.. _needed];

    /// <summary>Compares with what metadata says.</summary>
    /// <param name="lastWritten">For each block the era of its last write.</param>
    /// <returns>What is wrong; null when nothing is.</returns>
    public string? FindLie(ReadOnlySpan<uint> lastWritten)
    {
        for (int block = 0; block < lastWritten.Length; block++)
        {
            if (FindLostMark(block, _needed[block], lastWritten[block]) is { } lostMark) return lostMark;

            if (!IsAskedFor(block, lastWritten[block]) && !IsAhead(block, lastWritten[block]))
            {
                return $"marked without a request: block {block} counts as written in era {lastWritten[block]}, "
                    + $"the last request for it ended by era {_allowed[block]}";
            }
        }

        return null;
    }

    /// <summary>Compares one block with what must be known of it.</summary>
    /// <returns>What is wrong; null when nothing is.</returns>
    public static string? FindLostMark(int block, uint needed, uint lastWritten) =>
        lastWritten >= needed
            ? null
            : $"LOST MARK: block {block} changed after a client was told of era {needed}, "
                + $"but counts as last written in era {lastWritten}";

    private bool IsAskedFor(int block, uint era) => _underWay[block] > 0 || era <= _allowed[block];

    private bool IsAhead(int block, uint era)
    {
        for (int before = Math.Max(0, block - markAhead); before < block; before++)
        {
            if (IsAskedFor(before, era)) return HasMarksAhead = true;
        }

        return false;
    }

    /// <summary>A change of the length that has begun.</summary>
    /// <param name="Length">In sectors.</param>
    /// <param name="FirstBlock">The first block that the device may gain something of.</param>
    public readonly record struct Resize(int Length, int FirstBlock);
}
