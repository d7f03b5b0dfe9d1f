using DmEra.Devices.Binary;

namespace DmEra.PersistentData.BTrees;

/// <summary>Questions to the ascending keys of a node.</summary>
internal static class KeySearch
{
    /// <summary>Index of the greatest key that is not above <paramref name="key"/>; -1 if all are (kernel:
    /// <c>lower_bound</c>).</summary>
    public static int LowerBound(this ReadOnlySpan<Le64> keys, ulong key)
    {
        int low = 0;
        for (int length = keys.Length; length > 1;)
        {
            int half = length / 2;

            // No if: the processor would guess wrong every other time, which makes the search three times slower.
            low += half * (keys[low + half] <= key ? 1 : 0);
            length -= half;
        }

        return !keys.IsEmpty && keys[low] <= key ? low : -1;
    }

    /// <summary>Index of <paramref name="key"/>; -1 if it is not among them.</summary>
    public static int Find(this ReadOnlySpan<Le64> keys, ulong key)
    {
        int index = keys.LowerBound(key);
        return index >= 0 && keys[index] == key ? index : -1;
    }

    /// <summary>Index of the child of an internal node below which <paramref name="key"/> is, if it is anywhere: the
    /// first one, if it is below all keys.</summary>
    public static int ChildFor(this ReadOnlySpan<Le64> keys, ulong key) => Math.Max(keys.LowerBound(key), 0);

    /// <summary>Whether no key is below <paramref name="from"/>, nor at or above <paramref name="to"/>, where 0 means
    /// without end.</summary>
    public static bool LieWithin(this ReadOnlySpan<Le64> keys, ulong from, ulong to) =>
        keys.IsEmpty || (keys[0] >= from && (to == 0 || keys[^1] < to));
}
