using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;

namespace DmEra.Backup.Images;

/// <summary>
/// A small object that people may read: one line that says how it is sealed, then JSON. The seal covers the object's
/// name too, so that one document cannot stand in for another. It is a checksum, or in an encrypted repository
/// AES-256-GCM, and then only the line is readable.
/// </summary>
internal static class SealedDocument
{
    /// <summary>Longest document that is read.</summary>
    public const int MaxLength = 1 << 20;

    private const string ChecksumLine = "era document 1 sha256 ";
    private const string CipherLine = "era document 1 aes-256-gcm ";

    /// <summary>Makes the object of a document.</summary>
    public static byte[] Seal(string name, ReadOnlySpan<byte> body, RepositoryKey? key)
    {
        if (key is null) return [.. ChecksumHeader(name, body), .. body];
        Salt salt = RepositoryKey.NewSalt();
        using RecordCipher cipher = key.CipherFor(salt);
        byte[] encrypted = new byte[body.Length + RecordCipher.Overhead];
        cipher.Seal(RecordCipher.DirectoryNumber, body, Encoding.UTF8.GetBytes(name), encrypted);
        return [.. Header(CipherLine, salt), .. encrypted];
    }

    /// <summary>Reads a document from a store.</summary>
    /// <exception cref="ObjectMissingException">There is none of that name.</exception>
    /// <exception cref="ObjectDamagedException">It is not what was sealed under this name, with this key.</exception>
    public static T ReadJson<T>(IObjectStore store, string name, RepositoryKey? key, JsonTypeInfo<T> type)
    {
        byte[] bytes = new byte[MaxLength];
        int length = store.Read(name, 0, bytes);
        try
        {
            return JsonSerializer.Deserialize(Open(name, bytes.AsSpan(0, length), key), type)
                ?? throw new ObjectDamagedException(name, "it is empty");
        }
        catch (JsonException fault)
        {
            throw new ObjectDamagedException(name, $"this program cannot read it: {fault.Message}");
        }
    }

    /// <summary>Opens the object of a document.</summary>
    /// <exception cref="ObjectDamagedException">It is not what was sealed under this name, with this key.</exception>
    public static byte[] Open(string name, ReadOnlySpan<byte> bytes, RepositoryKey? key)
    {
        ReadOnlySpan<byte> line = bytes[..(bytes.IndexOf((byte)'\n') + 1)];
        ReadOnlySpan<byte> body = bytes[line.Length..];
        if (key is null)
        {
            return line.SequenceEqual(ChecksumHeader(name, body))
                ? body.ToArray()
                : throw new ObjectDamagedException(name, "its checksum is not that of its content");
        }

        if (!TryReadSalt(line, out Salt salt) || body.Length < RecordCipher.Overhead)
            throw new ObjectDamagedException(name, "it is no encrypted document");
        using RecordCipher cipher = key.CipherFor(salt);
        byte[] plain = new byte[body.Length - RecordCipher.Overhead];
        return cipher.TryOpen(RecordCipher.DirectoryNumber, body, Encoding.UTF8.GetBytes(name), plain)
            ? plain
            : throw new ObjectDamagedException(name, "it was not written with this repository's key");
    }

    private static byte[] ChecksumHeader(string name, ReadOnlySpan<byte> body)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(name + "\n"));
        hash.AppendData(body);
        return Header(ChecksumLine, hash.GetHashAndReset());
    }

    private static byte[] Header(string line, ReadOnlySpan<byte> value) =>
        Encoding.ASCII.GetBytes($"{line}{Convert.ToHexStringLower(value)}\n");

    private static bool TryReadSalt(ReadOnlySpan<byte> line, out Salt salt)
    {
        salt = default;
        if (line.Length != CipherLine.Length + (2 * Salt.Size) + 1) return false;
        Span<byte> bytes = MemoryMarshal.AsBytes(new Span<Salt>(ref salt));
        string digits = Encoding.ASCII.GetString(line[CipherLine.Length..^1]);
        // Written again and compared: there is one way to write a line, so that no bit of it can flip unseen.
        return Convert.FromHexString(digits, bytes, out _, out _) == System.Buffers.OperationStatus.Done
            && line.SequenceEqual(Header(CipherLine, bytes));
    }
}
