using System.Security.Cryptography;
using System.Text;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;

namespace DmEra.Backup.Images;

/// <summary>What unlocks an encrypted repository: a key file or a passphrase.</summary>
public sealed class RepositorySecret
{
    internal const string KeyFile = "key-file";
    internal const string Passphrase = "passphrase";

    // What OWASP asks of PBKDF2 with HMAC-SHA512, thrice.
    private const int DefaultIterations = 630_000;
    private const int SmallestKeyFile = 32;
    private const int LargestKeyFile = 1 << 20;

    private readonly byte[] _bytes;

    private RepositorySecret(string kind, byte[] bytes)
    {
        Kind = kind;
        _bytes = bytes;
    }

    internal string Kind { get; }

    /// <summary>How often the secret is hashed for a new repository: a passphrase often, since it can be guessed.</summary>
    internal int Iterations => Kind is Passphrase ? DefaultIterations : 1;

    /// <summary>A passphrase, as typed.</summary>
    public static RepositorySecret FromPassphrase(string passphrase) =>
        passphrase.Length > 0
            ? new RepositorySecret(Passphrase, Encoding.UTF8.GetBytes(passphrase))
            : throw new RepositoryException("the passphrase is empty");

    /// <summary>The content of a file of at least 32 bytes that nobody can guess.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="RepositoryException">It is too short to be a key, or too long.</exception>
    public static RepositorySecret FromKeyFile(string path)
    {
        using FileStream file = File.OpenRead(path);
        return FromKeyFile(path, file);
    }

    /// <summary>As <see cref="FromKeyFile(string)"/>, of a file that is open.</summary>
    /// <param name="path">What it is called.</param>
    /// <param name="file">The file.</param>
    public static RepositorySecret FromKeyFile(string path, Stream file)
    {
        // Perhaps a pipe, whose length nobody knows before its end.
        byte[] bytes = new byte[LargestKeyFile + 1];
        int length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (length is < SmallestKeyFile or > LargestKeyFile)
        {
            throw new RepositoryException(
                $"{path}: a key file has {SmallestKeyFile} bytes to 1 MiB; make one with: "
                + $"head -c {SmallestKeyFile} /dev/urandom > {path}");
        }

        return new RepositorySecret(KeyFile, bytes[..length]);
    }

    internal byte[] DeriveKey(ReadOnlySpan<byte> salt, int iterations) =>
        Rfc2898DeriveBytes.Pbkdf2(_bytes, salt, iterations, HashAlgorithmName.SHA512, RepositoryKey.Size);
}
