using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Bitsets;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;
using DmEra.PersistentData.Transactions;
using DmEra.Tests.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData;

/// <summary>What happens for every write to an unmarked block, and for every block digested, leaves nothing for the
/// garbage collector.</summary>
public sealed class AllocationTests
{
    private readonly TransactionManager _transactions = NewTransactions();

    [Fact]
    public void Tree_is_searched_and_changed_without_allocating()
    {
        BTree<Le64> tree = new(_transactions, new NoReferences<Le64>());
        ulong root = tree.CreateEmpty();
        for (ulong key = 0; key < 20_000; key += 2) root = tree.Insert(root, key, key);

        Assert.Equal(0, Allocation.Of(() =>
        {
            for (ulong key = 1; key < 20_000; key += 111)
            {
                tree.TryLookup(root, key, out _);
                tree.TryLookupNext(root, key, out _, out _);
                root = tree.Insert(root, key, key);
                root = tree.Insert(root, key, key + 1);
                root = tree.Remove(root, key);
            }
        }));
    }

    [Fact]
    public void Array_is_read_and_changed_without_allocating()
    {
        PersistentArray<Le32> array = new(_transactions);
        ulong root = array.Create(300_000, 0);

        Assert.Equal(0, Allocation.Of(() =>
        {
            for (uint index = 0; index < 300_000; index += 999) root = array.Set(root, index, array.Get(root, index) + 1);
        }));
    }

    [Fact]
    public void Bits_are_set_without_allocating()
    {
        PersistentBitset bitset = new(_transactions);
        ulong root = bitset.CreateEmpty(1_000_000);

        Assert.Equal(0, Allocation.Of(() =>
        {
            for (uint bit = 0; bit < 999_000; bit += 9999) root = bitset.SetRange(root, bit, bit + 500);
        }));
    }

    private static TransactionManager NewTransactions()
    {
        const int Blocks = 2048;
        MemoryBlockDevice device = new(Blocks * BlockManager.BlockSize);
        return new TransactionManager(new BlockManager(device), new CoreSpaceMap(Blocks));
    }
}
