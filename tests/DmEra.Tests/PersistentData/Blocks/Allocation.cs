namespace DmEra.Tests.PersistentData.Blocks;

/// <summary>Memory that is allocated by what should allocate none.</summary>
internal static class Allocation
{
    private const int Runs = 5;

    /// <summary>Bytes that a run of <paramref name="action"/> allocates, after one that may warm up. The least of a
    /// few: a collection in between rounds the number up to what the thread was given.</summary>
    public static long Of(Action action)
    {
        action();
        long least = long.MaxValue;
        for (int i = 0; i < Runs; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            action();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
