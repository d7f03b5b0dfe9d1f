using System.Text;
using DmEra.Target.History;

namespace DmEra.Tools.Caches;

/// <summary>How dm-cache is told to forget blocks.</summary>
public static class CacheMessages
{
    // Well below what dmsetup, a shell and the kernel take as one message.
    private const int LongestMessage = 2000;

    /// <summary>A range as the cache takes it: the end is exclusive.</summary>
    public static string Word(BlockRange range) => range.Count == 1 ? $"{range.Begin}" : $"{range.Begin}-{range.End}";

    /// <summary>The messages for ranges of cache blocks: words for <c>dmsetup message CACHE 0 ...</c>. The cache takes them
    /// in passthrough mode only.</summary>
    public static IEnumerable<string> Invalidate(IEnumerable<BlockRange> ranges)
    {
        const string Verb = "invalidate_cblocks";
        StringBuilder message = new(Verb);
        foreach (BlockRange range in ranges)
        {
            message.Append(' ').Append(Word(range));
            if (message.Length < LongestMessage) continue;
            yield return message.ToString();
            message.Clear().Append(Verb);
        }

        if (message.Length > Verb.Length) yield return message.ToString();
    }
}
