using static DmEra.Fuzz.Content.MetadataFormat;

namespace DmEra.Fuzz.Content;

/// <summary>A metadata device of which most is zeroes.</summary>
/// <param name="Blocks">What is not.</param>
/// <param name="BlockCount">How long the device is.</param>
internal sealed record SparseImage(IReadOnlyDictionary<ulong, byte[]> Blocks, ulong BlockCount)
{
    /// <summary>All of it, in one piece.</summary>
    public byte[] ToArray()
    {
        byte[] all = new byte[BlockCount * BlockSize];
        foreach ((ulong address, byte[] block) in Blocks) block.CopyTo(all, (long)address * BlockSize);
        return all;
    }

    /// <summary>Writes it to a file.</summary>
    public string Save(string path)
    {
        using FileStream file = new(path, FileMode.Create);
        file.SetLength((long)BlockCount * BlockSize);
        foreach ((ulong address, byte[] block) in Blocks)
        {
            file.Position = (long)address * BlockSize;
            file.Write(block);
        }

        return path;
    }
}
