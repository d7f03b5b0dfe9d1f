namespace DmEra.EndToEnd.Processes;

/// <summary>Compares images of disks byte by byte.</summary>
internal static class Images
{
    private const int BlockBytes = 65536;

    /// <summary>The blocks of 64 KiB in which two images of one length differ.</summary>
    public static IReadOnlyList<uint> DifferentBlocks(string one, string other)
    {
        using FileStream a = File.OpenRead(one);
        using FileStream b = File.OpenRead(other);
        byte[] blockOfA = new byte[BlockBytes];
        byte[] blockOfB = new byte[BlockBytes];
        List<uint> different = [];
        for (uint block = 0; a.Position < a.Length; block++)
        {
            a.ReadExactly(blockOfA);
            b.ReadExactly(blockOfB);
            if (!blockOfA.AsSpan().SequenceEqual(blockOfB)) different.Add(block);
        }

        return different;
    }
}
