using System.Runtime.CompilerServices;
using DmEra.PersistentData.Bitsets;

namespace DmEra.Tools.Restore;

/// <summary>Notices blocks that come twice, in whatever order they come. One bit for each, but no memory for long
/// stretches of which none comes.</summary>
internal sealed class SeenBlocks(uint count)
{
    private const int WordsPerPage = 8192;
    private const ulong BlocksPerPage = WordsPerPage * 64;

    private readonly ulong[]?[] _pages = new ulong[(count + BlocksPerPage - 1) / BlocksPerPage][];

    /// <summary>Adds blocks in a row.</summary>
    /// <returns>false when one of them has come before; the others may have been added then.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public bool TryAdd(uint first, uint count)
    {
        for (ulong block = first, end = first + (ulong)count; block < end;)
        {
            ulong wordEnd = Math.Min((block | 63) + 1, end);
            ulong mask = BlockBits.Mask((int)(block % 64), (int)(wordEnd - block));
            ulong[] page = _pages[block / BlocksPerPage] ??= new ulong[WordsPerPage];
            ref ulong seen = ref page[block / 64 % WordsPerPage];
            if ((seen & mask) != 0) return false;
            seen |= mask;
            block = wordEnd;
        }

        return true;
    }
}
