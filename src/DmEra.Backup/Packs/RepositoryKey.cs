using System.Buffers.Binary;
using System.Security.Cryptography;

namespace DmEra.Backup.Packs;

/// <summary>
/// The master key of an encrypted repository. Each pack and each document has a key of its own, derived from this
/// one and a random salt, under which numbers count the messages: no key ever sees a nonce twice.
/// </summary>
internal sealed class RepositoryKey(ReadOnlySpan<byte> master) : IDisposable
{
    public const int Size = 32;

    private readonly byte[] _master = master.ToArray();

    /// <summary>A salt that has never been used.</summary>
    public static Salt NewSalt()
    {
        Salt salt = default;
        RandomNumberGenerator.Fill(salt);
        return salt;
    }

    /// <summary>The cipher of one pack or document.</summary>
    public RecordCipher CipherFor(Salt salt)
    {
        Span<byte> key = stackalloc byte[Size];
        HKDF.Expand(HashAlgorithmName.SHA256, _master, key, salt);
        RecordCipher cipher = new(key);
        CryptographicOperations.ZeroMemory(key);
        return cipher;
    }

    /// <inheritdoc/>
    public void Dispose() => CryptographicOperations.ZeroMemory(_master);
}

/// <summary>AES-256-GCM under the key of one pack or document. Any thread.</summary>
internal sealed class RecordCipher : IDisposable
{
    /// <summary>Bytes by which what is sealed is longer.</summary>
    public const int Overhead = 16;

    /// <summary>The number of a pack's directory, or of a document: no record has it.</summary>
    public const uint DirectoryNumber = uint.MaxValue;

    private readonly Lock _lock = new();    // guards _aes, which has a state while it works
    private readonly AesGcm _aes;

    public RecordCipher(ReadOnlySpan<byte> key) => _aes = new AesGcm(key, Overhead);

    /// <summary>Encrypts.</summary>
    /// <param name="number">Which message it is: used once under this key.</param>
    /// <param name="plain">The message.</param>
    /// <param name="context">What it is bound to, and not part of it.</param>
    /// <param name="output">Takes the message and its tag: longer by <see cref="Overhead"/>.</param>
    public void Seal(uint number, ReadOnlySpan<byte> plain, ReadOnlySpan<byte> context, Span<byte> output)
    {
        Span<byte> nonce = stackalloc byte[AesGcm.NonceByteSizes.MaxSize];
        WriteNonce(number, nonce);
        lock (_lock) _aes.Encrypt(nonce, plain, output[..plain.Length], output[plain.Length..], context);
    }

    /// <summary>Decrypts; false when it is not what was sealed under this key, number and context.</summary>
    public bool TryOpen(uint number, ReadOnlySpan<byte> sealedBytes, ReadOnlySpan<byte> context, Span<byte> output)
    {
        if (sealedBytes.Length != output.Length + Overhead) return false;
        Span<byte> nonce = stackalloc byte[AesGcm.NonceByteSizes.MaxSize];
        WriteNonce(number, nonce);
        try
        {
            lock (_lock) _aes.Decrypt(nonce, sealedBytes[..output.Length], sealedBytes[output.Length..], output, context);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _aes.Dispose();

    private static void WriteNonce(uint number, Span<byte> nonce)
    {
        nonce.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(nonce, number);
    }
}
