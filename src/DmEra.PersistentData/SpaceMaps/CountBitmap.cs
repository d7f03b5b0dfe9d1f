using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices.Binary;

namespace DmEra.PersistentData.SpaceMaps;

/// <summary>
/// One bitmap of the space map in memory: a small count, 0 to 3, for each of up to 16 320 blocks, packed as on disk.
/// Beside every count it knows whether the block is <em>held</em>: in use by committed metadata, so that it must not be
/// handed out even when its count has dropped to 0 since.
/// </summary>
internal sealed class CountBitmap
{
    /// <summary>The greatest small count: "this or more".</summary>
    public const uint Many = 3;

    private const int EntriesPerWord = 32;
    private const int WordCount = BitmapHeader.EntriesPerBlock / EntriesPerWord;

    // The lower bit of each of a word's two-bit entries.
    private const ulong LowerBits = 0x5555_5555_5555_5555;

    private readonly Le64[] _counts = new Le64[WordCount];

    // A held block has the lower bit of its entry set; the higher one, too, if readers of the newer generation need it.
    private readonly ulong[] _held = new ulong[WordCount];
    private bool _holdsFreedBlocks;

    /// <summary>Creates a bitmap of free blocks, which is not on disk yet.</summary>
    public CountBitmap(int entryCount)
    {
        EntryCount = entryCount;
        IsChanged = true;
    }

    /// <summary>Where it is on disk, or will be; 0 when it has no place yet.</summary>
    public ulong Address { get; private set; }

    /// <summary>Blocks of the device that it covers; positions at and above have no block.</summary>
    public int EntryCount { get; private set; }

    /// <summary>Blocks with a count other than 0.</summary>
    public int Used { get; private set; }

    /// <summary>Blocks at lower positions have their space on the device; others are not to be handed out.</summary>
    public int Backed { get; private set; }

    /// <summary>Blocks with their space on the device that are neither in use nor held.</summary>
    public int Available { get; private set; }

    /// <summary>No block at a lower position has count 0. Kept as the kernel keeps it, so it may be too low.</summary>
    public int NoneFreeBefore { get; private set; }

    /// <summary>Something in it differs from what was committed.</summary>
    public bool IsChanged { get; private set; }

    /// <summary>Its <see cref="Address"/> was allocated in the running transaction.</summary>
    public bool IsMoved { get; private set; }

    /// <summary>The small count at a position.</summary>
    public uint this[int position]
    {
        get => SwapBits((uint)(_counts[position / EntriesPerWord].Value >> Shift(position)) & 3);
        set
        {
            uint old = this[position];
            if (old == value) return;
            ref Le64 word = ref _counts[position / EntriesPerWord];
            word = (word & ~(3UL << Shift(position))) | ((ulong)SwapBits(value) << Shift(position));
            IsChanged = true;
            if (old == 0) Take(position);
            if (value == 0) Release(position);
        }
    }

    /// <summary>Fills a bitmap with what a block on disk says.</summary>
    /// <returns>false when it counts blocks that the device does not have.</returns>
    public bool TryLoad(ReadOnlySpan<byte> block, IndexEntry entry)
    {
        MemoryMarshal.Cast<byte, Le64>(block[Unsafe.SizeOf<BitmapHeader>()..]).CopyTo(_counts);
        Address = entry.BlockNumber;
        IsChanged = false;
        Used = 0;
        for (int i = 0; i < WordCount; i++)
        {
            if ((InUse(i) & ~Inside(i)) != 0) return false;
            Used += BitOperations.PopCount(InUse(i));
        }

        HoldWhatIsInUse(HeldFor.Nobody, []);
        int firstFree = FirstUnused(0, EntryCount);
        NoneFreeBefore = (int)Math.Min(entry.NoneFreeBefore, (uint)(firstFree < 0 ? EntryCount : firstFree));
        return true;
    }

    /// <summary>Writes the counts into a zeroed block.</summary>
    public void WriteTo(Span<byte> block) =>
        MemoryMarshal.AsBytes(_counts.AsSpan()).CopyTo(block[Unsafe.SizeOf<BitmapHeader>()..]);

    /// <summary>Reads all counts of a block on disk, 3 standing for "3 or more".</summary>
    public static void Unpack(ReadOnlySpan<byte> block, Span<byte> counts)
    {
        ReadOnlySpan<byte> packed = block[Unsafe.SizeOf<BitmapHeader>()..];
        for (int i = 0; i < counts.Length; i++) counts[i] = (byte)SwapBits((uint)(packed[i / 4] >> (i % 4 * 2)) & 3);
    }

    /// <summary>The first available block at or above a position; -1 if there is none.</summary>
    public int FindAvailable(int from) => Available == 0 || from >= Backed ? -1 : FirstUnused(from, Backed);

    /// <summary>How many counts are <see cref="Many"/>.</summary>
    public int CountOfMany()
    {
        int result = 0;
        foreach (Le64 word in _counts) result += BitOperations.PopCount(word & (word >> 1) & LowerBits);
        return result;
    }

    /// <summary>Gives it a new place.</summary>
    public void MoveTo(ulong address)
    {
        Debug.Assert(!IsMoved, "one move a transaction is enough");
        Address = address;
        IsMoved = true;
    }

    /// <summary>The device became longer.</summary>
    public void ExtendTo(int entryCount)
    {
        EntryCount = entryCount;
        IsChanged = true;
    }

    /// <summary>The blocks below a position have their space on the device from now on.</summary>
    public void Back(int position)
    {
        Backed = position;
        CountAvailable();
    }

    /// <summary>What it counts is committed now.</summary>
    /// <param name="readers">For whom blocks freed since stay held.</param>
    public void Publish(HeldFor readers)
    {
        bool isStale = IsChanged || (_holdsFreedBlocks && readers != HeldFor.Everybody);
        IsChanged = false;
        IsMoved = false;
        if (isStale) HoldWhatIsInUse(readers, _held);
    }

    /// <summary>Holds what another bitmap of the same blocks held as well.</summary>
    public void HoldAlso(CountBitmap other) => HoldWhatIsInUse(HeldFor.Everybody, other._held);

    private void HoldWhatIsInUse(HeldFor readers, ReadOnlySpan<ulong> andAlso)
    {
        int heldCount = 0;
        for (int i = 0; i < WordCount; i++)
        {
            ulong inUse = InUse(i);
            ulong kept = readers switch
            {
                HeldFor.Everybody => andAlso[i],
                HeldFor.NewerReaders => (andAlso[i] >> 1) & LowerBits,
                _ => 0,
            };
            _held[i] = kept | inUse | (inUse << 1);
            heldCount += BitOperations.PopCount(_held[i] & Inside(i));
        }

        CountAvailable();
        _holdsFreedBlocks = heldCount > Used;
    }

    private int FirstUnused(int from, int end)
    {
        ulong notBelow = ulong.MaxValue << Shift(from);
        for (int i = from / EntriesPerWord; i < WordCount; i++)
        {
            ulong unused = Unused(i) & Below(end, i) & notBelow;
            if (unused != 0) return (i * EntriesPerWord) + (BitOperations.TrailingZeroCount(unused) / 2);
            notBelow = ulong.MaxValue;
        }

        return -1;
    }

    private void CountAvailable()
    {
        Available = 0;
        for (int i = 0; i * EntriesPerWord < Backed; i++) Available += BitOperations.PopCount(Unused(i) & Below(Backed, i));
    }

    private void Take(int position)
    {
        Used++;
        if (IsOnOffer(position)) Available--;
        if (NoneFreeBefore == position) NoneFreeBefore++;
    }

    private void Release(int position)
    {
        Used--;
        if (IsOnOffer(position)) Available++;
        NoneFreeBefore = Math.Min(NoneFreeBefore, position);
    }

    /// <summary>Whether a block may be handed out whenever its count is 0.</summary>
    private bool IsOnOffer(int position) =>
        position < Backed && ((_held[position / EntriesPerWord] >> Shift(position)) & 1) == 0;

    /// <summary>A word's entries that are not 0, each as its lower bit.</summary>
    private ulong InUse(int word) => (_counts[word] | (_counts[word] >> 1)) & LowerBits;

    /// <summary>A word's entries that are neither in use nor held, each as its lower bit.</summary>
    private ulong Unused(int word) => ~(InUse(word) | _held[word]) & LowerBits;

    /// <summary>A word's entries that have a block, each as its lower bit.</summary>
    private ulong Inside(int word) => Below(EntryCount, word);

    private static ulong Below(int position, int word)
    {
        int entries = position - (word * EntriesPerWord);
        if (entries >= EntriesPerWord) return LowerBits;
        return entries <= 0 ? 0 : LowerBits & ~(ulong.MaxValue << Shift(entries));
    }

    private static int Shift(int position) => position % EntriesPerWord * 2;

    // On disk the higher bit of a count comes at the lower position.
    private static uint SwapBits(uint twoBits) => (twoBits >> 1) | ((twoBits & 1) << 1);
}
