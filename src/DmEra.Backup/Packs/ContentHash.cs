using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace DmEra.Backup.Packs;

/// <summary>The checksum that everything in a repository is known by: the first half of its SHA-256.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct ContentHash
{
    public const int Size = 16;

    // Sixteen bytes; never looked at as numbers.
    private readonly ulong _first;
    private readonly ulong _second;

    /// <summary>The checksum of these bytes.</summary>
    public static ContentHash Of(ReadOnlySpan<byte> content)
    {
        Span<byte> whole = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(content, whole);
        return MemoryMarshal.Read<ContentHash>(whole);
    }

    /// <summary>Reads what <see cref="ToString"/> writes.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out ContentHash hash)
    {
        Span<byte> bytes = stackalloc byte[Size];
        bool valid = text.Length == 2 * Size
            && Convert.FromHexString(text, bytes, out _, out _) == System.Buffers.OperationStatus.Done;
        hash = MemoryMarshal.Read<ContentHash>(bytes);
        // One way to write a name: a flipped case is a flipped bit.
        return valid && text.SequenceEqual(hash.ToString());
    }

    /// <summary>Thirty-two hexadecimal digits.</summary>
    public override string ToString() =>
        Convert.ToHexStringLower(MemoryMarshal.AsBytes(new ReadOnlySpan<ContentHash>(in this)));
}
