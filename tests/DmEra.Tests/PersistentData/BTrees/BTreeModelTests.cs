using System.Runtime.CompilerServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.BTrees;

namespace DmEra.Tests.PersistentData.BTrees;

/// <summary>Random operations on trees with all kinds of values, side by side with sorted dictionaries.</summary>
public sealed class BTreeModelTests
{
    public static TheoryData<int> AllSeeds => Seeds.For(15);

    [Theory, MemberData(nameof(AllSeeds))]
    public void Tree_of_32_bit_numbers_behaves_like_a_dictionary(int seed) =>
        RunNumbers<Le32>(seed, random => (uint)random.Next());

    [Theory, MemberData(nameof(AllSeeds))]
    public void Tree_of_64_bit_numbers_behaves_like_a_dictionary(int seed) =>
        RunNumbers<Le64>(seed, random => (ulong)random.NextInt64());

    [Theory, MemberData(nameof(AllSeeds))]
    public void Tree_with_six_values_a_leaf_behaves_like_a_dictionary(int seed) =>
        RunNumbers<WideValue>(seed, random => WideValue.Filled((byte)random.Next()));

    [Theory, MemberData(nameof(AllSeeds))]
    public void Tree_of_references_behaves_like_a_dictionary(int seed)
    {
        TestMetadata metadata = new(blockCount: 6000);
        OwnedBlocks owned = new(metadata.Transactions);
        new BTreeModel<OwnedBlock>(
            metadata, owned, new Random(seed), random => owned.Create((uint)random.Next()), OwnedBlock.Walk).Run();
    }

    private static void RunNumbers<TValue>(int seed, Func<Random, TValue> newValue)
        where TValue : unmanaged, IEquatable<TValue> =>
        new BTreeModel<TValue>(
            new TestMetadata(blockCount: 2048), new NoReferences<TValue>(), new Random(seed), newValue, (_, _) => { })
            .Run();

    /// <summary>So large a value that six fill a leaf: a thousand entries make a tree of three levels.</summary>
    [InlineArray(640)]
    private struct WideValue : IEquatable<WideValue>
    {
        private byte _first;

        public static WideValue Filled(byte content)
        {
            WideValue value = default;
            ((Span<byte>)value).Fill(content);
            return value;
        }

        public readonly bool Equals(WideValue other) => ((ReadOnlySpan<byte>)this).SequenceEqual(other);

        public override readonly bool Equals(object? obj) => obj is WideValue other && Equals(other);

        public override readonly int GetHashCode() => _first;
    }
}
