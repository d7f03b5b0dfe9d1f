namespace DmEra.PersistentData.SpaceMaps;

/// <summary>For whom blocks stay held that were freed since.</summary>
internal enum HeldFor
{
    /// <summary>There is no reader.</summary>
    Nobody,

    /// <summary>For those of the newer generation, which are the older one from now on.</summary>
    NewerReaders,

    /// <summary>For all that are there.</summary>
    Everybody,
}

/// <summary>
/// Counts the readers of committed metadata in two generations, so that readers which follow one another without a gap do
/// not hold back what only the first of them needed: when the older generation is gone, the newer one takes its place.
/// </summary>
internal sealed class PinnedReaders
{
    private long _generation;
    private int _newer;         // readers of that generation
    private int _older;         // of the one before

    /// <summary>Whether there are any.</summary>
    public bool Any => _newer + _older > 0;

    /// <summary>One comes.</summary>
    /// <returns>Its generation.</returns>
    public long Enter()
    {
        _newer++;
        return _generation;
    }

    /// <summary>One of a generation goes.</summary>
    public void Leave(long generation)
    {
        ref int count = ref generation == _generation ? ref _newer : ref _older;
        if (count == 0) throw new InvalidOperationException("nothing is pinned");
        count--;
    }

    /// <summary>Another state is published: who comes from now on may see that one, and none before it.</summary>
    public HeldFor AtPublication()
    {
        if (_older > 0) return HeldFor.Everybody;
        if (_newer == 0) return HeldFor.Nobody;
        _generation++;
        (_older, _newer) = (_newer, 0);
        return HeldFor.NewerReaders;
    }
}
