using DmEra.Devices.Binary;
using DmEra.PersistentData.Transactions;

namespace DmEra.PersistentData.BTrees;

/// <summary>What the values of a tree keep alive (kernel: <c>struct dm_btree_value_type</c>). A tree calls it when a
/// value comes to be stored more often, or less often, than before.</summary>
/// <typeparam name="TValue">A packed struct, as it lies in the leaves.</typeparam>
public interface IRefCounter<TValue>
    where TValue : unmanaged
{
    /// <summary>The value is now stored so many times more: a leaf that two trees share was copied.</summary>
    void Inc(in TValue value, uint times);

    /// <summary>The value is stored so many times less: it was removed, overwritten, or its leaf was deleted.</summary>
    void Dec(in TValue value, uint times);

    /// <summary>Whether overwriting one with the other changes nothing: both keep the same alive.</summary>
    bool AreEqual(in TValue left, in TValue right);
}

/// <summary>Values that are just numbers.</summary>
public sealed class NoReferences<TValue> : IRefCounter<TValue>
    where TValue : unmanaged, IEquatable<TValue>
{
    /// <inheritdoc/>
    public void Inc(in TValue value, uint times)
    {
    }

    /// <inheritdoc/>
    public void Dec(in TValue value, uint times)
    {
    }

    /// <inheritdoc/>
    public bool AreEqual(in TValue left, in TValue right) => left.Equals(right);
}

/// <summary>Values that are addresses of metadata blocks which refer to nothing else, as array blocks do.</summary>
public sealed class BlockReferences(TransactionManager transactions) : IRefCounter<Le64>
{
    /// <inheritdoc/>
    public void Inc(in Le64 value, uint times) => transactions.Inc(value, times);

    /// <inheritdoc/>
    public void Dec(in Le64 value, uint times) => transactions.Dec(value, times);

    /// <inheritdoc/>
    public bool AreEqual(in Le64 left, in Le64 right) => left == right;
}
