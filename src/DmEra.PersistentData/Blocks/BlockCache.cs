using System.Diagnostics;

namespace DmEra.PersistentData.Blocks;

/// <summary>
/// A fixed number of frames, each of which can hold one block. All of them lie in one pinned slab, so that no
/// block is ever moved or collected. Which frame is used anew, the clock algorithm decides: a hand goes round
/// and takes the first clean, unpinned frame whose block was not found again since it last came by. So a block that is
/// used but once, as in a scan, does not drive out those that are used often.
/// </summary>
internal sealed class BlockCache
{
    private readonly byte[] _slab;
    private readonly Frame[] _frames;
    private readonly Dictionary<ulong, int> _frameOf;
    private int _hand;

    public BlockCache(int frameCount)
    {
        _slab = GC.AllocateUninitializedArray<byte>(checked(frameCount * BlockManager.BlockSize), pinned: true);
        _frames = new Frame[frameCount];
        _frameOf = new Dictionary<ulong, int>(frameCount);
    }

    public int FrameCount => _frames.Length;

    public Span<byte> Data(int frame) => _slab.AsSpan(frame * BlockManager.BlockSize, BlockManager.BlockSize);

    public ulong AddressIn(int frame) => _frames[frame].Address;

    /// <summary>The type that the block in this frame was first accessed as.</summary>
    public BlockValidator TypeOf(int frame) => _frames[frame].Type ?? throw new UnreachableException("empty frame");

    public bool IsDirty(int frame) => _frames[frame].IsDirty;

    public bool IsPinned(int frame) => _frames[frame].Pins > 0;

    public bool TryFind(ulong address, out int frame) => _frameOf.TryGetValue(address, out frame);

    /// <summary>The block in this frame is used again.</summary>
    public void Touch(int frame) => _frames[frame].IsRecent = true;

    /// <summary>Empties the frame that is best used anew.</summary>
    /// <returns>false when every frame is dirty or pinned.</returns>
    public bool TryVacate(out int frame)
    {
        // Two rounds: the first may do no more than age every frame.
        for (int step = 0; step < 2 * _frames.Length; step++)
        {
            frame = _hand;
            _hand = (_hand + 1) % _frames.Length;
            ref Frame candidate = ref _frames[frame];
            if (candidate.IsDirty || candidate.Pins > 0) continue;
            if (!candidate.IsRecent)
            {
                if (candidate.Type is not null) _frameOf.Remove(candidate.Address);
                candidate = default;
                return true;
            }

            candidate.IsRecent = false;
        }

        frame = -1;
        return false;
    }

    /// <summary>Says which block the vacated frame now holds.</summary>
    public void Occupy(int frame, ulong address, BlockValidator type)
    {
        _frameOf.Add(address, frame);
        _frames[frame] = new Frame { Address = address, Type = type };
    }

    /// <summary>The block in this frame begins a new life as another type.</summary>
    public void ChangeType(int frame, BlockValidator type) => _frames[frame].Type = type;

    public void SetDirty(int frame, bool isDirty) => _frames[frame].IsDirty = isDirty;

    public void Pin(int frame) => _frames[frame].Pins++;

    public void Unpin(int frame)
    {
        Debug.Assert(_frames[frame].Pins > 0, "a lease was disposed twice");
        _frames[frame].Pins--;
    }

    /// <summary>Empties every frame, dirty and pinned ones too.</summary>
    public void Clear()
    {
        Debug.Assert(!Array.Exists(_frames, frame => frame.Pins > 0), "a block is still leased");
        _frameOf.Clear();
        Array.Clear(_frames);
    }

    private struct Frame
    {
        public ulong Address;
        public BlockValidator? Type;    // null: empty
        public int Pins;
        public bool IsDirty;
        public bool IsRecent;
    }
}
