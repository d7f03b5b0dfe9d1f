using DmEra.PersistentData.BTrees;

namespace DmEra.PersistentData.Reading;

/// <summary>Goes before a walk over a tree: sees each pointer before it is followed, and each node before what is in it.</summary>
public interface ITreeGuard
{
    /// <summary>Whether a pointer is to be followed.</summary>
    /// <param name="node">Where it leads.</param>
    /// <param name="parent">The node it lies in; null for the pointer at the root.</param>
    /// <param name="firstKey">First key that is behind it, if it is anywhere.</param>
    /// <param name="endKey">Key behind the last of them.</param>
    bool MayEnter(ulong node, ulong? parent, ulong firstKey, ulong endKey);

    /// <summary>Looks at a node that can be searched.</summary>
    /// <param name="address">Where it is.</param>
    /// <param name="node">The node.</param>
    /// <param name="depth">Its level: 1 for the root.</param>
    void Look(ulong address, ReadNode node, int depth);
}
