using System.Runtime.CompilerServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;

namespace DmEra.PersistentData.Reading;

/// <summary>
/// Walks over a committed B-tree in the order of its keys, from any key on, whatever state it is in: a leaf at a time, and
/// over what cannot be read in between. It trusts no node: keys must stay within what the parent says of them, so that a
/// damaged tree, a cyclic one too, never makes a wrong answer or a long walk.
/// </summary>
/// <typeparam name="TValue">A packed struct, as it lies in the leaves.</typeparam>
/// <param name="reader">Reads the nodes.</param>
/// <param name="guard">Goes before; null: every pointer is followed.</param>
public sealed class TreeWalk<TValue>(MetadataReader reader, ITreeGuard? guard = null)
    where TValue : unmanaged
{
    private readonly List<Fork> _forks = [];        // the inner nodes above the piece, and some that are not in use
    private readonly List<ulong> _path = [];
    private readonly byte[] _leaf = new byte[BlockManager.BlockSize];
    private int _depth;             // inner nodes above the piece
    private ulong _root;
    private ulong _next;            // first key behind the piece
    private bool _isAtRoot;

    /// <summary>First key of the piece.</summary>
    public ulong Begin { get; private set; }

    /// <summary>Key behind the last one of the piece.</summary>
    public ulong End { get; private set; }

    /// <summary>Why the piece cannot be read; null when it can, or was not to be.</summary>
    public Exception? Fault { get; private set; }

    /// <summary>Whether the piece is a leaf. If not, and without a <see cref="Fault"/>, its guard did not let the walk in.</summary>
    public bool IsLeaf { get; private set; }

    /// <summary>The nodes that lead to the piece, the root first; the last one is the leaf, or what cannot be read.</summary>
    public IReadOnlyList<ulong> Path => _path;

    /// <summary>The keys of the leaf, ascending; none when the piece is lost.</summary>
    public ReadOnlySpan<Le64> Keys => new ReadNode(_leaf).Keys;

    /// <summary>The values of the leaf, one for each key.</summary>
    public ReadOnlySpan<TValue> Values => new ReadNode(_leaf).Values<TValue>();

    /// <summary>Sets out anew: <see cref="MoveNext"/> will step to the piece that a key belongs to.</summary>
    public void Seek(ulong root, ulong key)
    {
        _root = root;
        _next = key;
        _depth = 0;
        _isAtRoot = true;
        _path.Clear();
    }

    /// <summary>Steps to the next piece.</summary>
    /// <returns>false at the end of the tree.</returns>
    public bool MoveNext()
    {
        if (_isAtRoot)
        {
            _isAtRoot = false;
            Le64 root = _root;
            Descend(new ReadOnlySpan<Le64>(in root), null, 0, ulong.MaxValue);
            return true;
        }

        while (_depth > 0 && _forks[_depth - 1].IsDone) _depth--;
        if (_depth == 0) return false;
        Fork fork = _forks[_depth - 1];
        Descend(fork.Take(out ulong firstKey, out ulong endKey), fork.Address, firstKey, endKey);
        return true;
    }

    /// <summary>Goes down to the next piece from a node, whose address is the first of those given.</summary>
    private void Descend(scoped ReadOnlySpan<Le64> siblings, ulong? parent, ulong firstKey, ulong endKey)
    {
        while (true)
        {
            ulong address = siblings[0];
            Arrive(address, firstKey, endKey);
            if (guard?.MayEnter(address, parent, firstKey, endKey) == false || !TryRead(siblings, firstKey, endKey, out ReadNode node)) break;
            guard?.Look(address, node, _depth + 1);
            if (node.IsLeaf)
            {
                node.Block.CopyTo(_leaf);
                IsLeaf = true;
                break;
            }

            if (_depth == _forks.Count) _forks.Add(new Fork());
            Fork fork = _forks[_depth++];
            fork.Set(address, node, endKey, _next);
            siblings = fork.Take(out firstKey, out endKey);
            parent = address;
        }

        _next = End;
    }

    private void Arrive(ulong address, ulong firstKey, ulong endKey)
    {
        _path.RemoveRange(_depth, _path.Count - _depth);
        _path.Add(address);
        Begin = Math.Max(firstKey, _next);
        End = endKey;
        Fault = null;
        IsLeaf = false;
        _leaf.AsSpan(0, Unsafe.SizeOf<NodeHeader>()).Clear();       // no keys, unless there turn out to be some
    }

    private bool TryRead(scoped ReadOnlySpan<Le64> siblings, ulong firstKey, ulong endKey, out ReadNode node)
    {
        try
        {
            node = new ReadNode(reader.Read(siblings, BTreeNodeValidator.Instance).Span);
            if (node.WhyUnfit(Unsafe.SizeOf<TValue>(), firstKey, endKey, _depth + 1) is not string cause) return true;
            throw new MetadataCorruptException(siblings[0], $"btree node: {cause}", MetadataCorruption.Damaged);
        }
        catch (Exception fault) when (fault is MetadataCorruptException or DeviceException)
        {
            Fault = fault;
            node = default;
            return false;
        }
    }

    /// <summary>An inner node, kept while the walk is below it.</summary>
    private sealed class Fork
    {
        private readonly byte[] _block = new byte[BlockManager.BlockSize];
        private ulong _endKey;
        private int _next;      // child

        public ulong Address { get; private set; }

        public bool IsDone => _next == new ReadNode(_block).Count;

        public void Set(ulong address, ReadNode node, ulong endKey, ulong key)
        {
            Address = address;
            node.Block.CopyTo(_block);
            _endKey = endKey;
            _next = node.Keys.ChildFor(key);
        }

        /// <summary>Goes on to the next child.</summary>
        /// <returns>Its address, and those of the children behind it.</returns>
        public ReadOnlySpan<Le64> Take(out ulong firstKey, out ulong endKey)
        {
            var node = new ReadNode(_block);
            ReadOnlySpan<Le64> children = node.Children[_next..];
            firstKey = node.Keys[_next++];
            endKey = _next < node.Count ? node.Keys[_next] : _endKey;
            return children;
        }
    }
}
