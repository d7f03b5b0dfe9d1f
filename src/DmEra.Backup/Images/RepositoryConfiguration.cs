using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;
using DmEra.Devices.Threads;

namespace DmEra.Backup.Images;

/// <summary>The document that makes a store a repository. Never changes.</summary>
/// <param name="Format">Version of everything in the repository.</param>
/// <param name="Id">Identifies the repository.</param>
/// <param name="Encryption">How the master key is kept; null where nothing is encrypted.</param>
internal sealed record RepositoryConfiguration(int Format, Guid Id, RepositoryEncryption? Encryption)
{
    public const string Name = "repository";

    private const int SupportedFormat = 1;

    /// <summary>True when there is a repository in the store.</summary>
    public static bool IsIn(IObjectStore store)
    {
        try
        {
            Span<byte> first = stackalloc byte[1];
            store.Read(Name, 0, first);
            return true;
        }
        catch (ObjectMissingException)
        {
            return false;
        }
    }

    /// <summary>Reads the configuration.</summary>
    public static RepositoryConfiguration Read(IObjectStore store)
    {
        try
        {
            RepositoryConfiguration configuration =
                SealedDocument.ReadJson(store, Name, key: null, BackupJson.Default.RepositoryConfiguration);
            if (configuration.Format != SupportedFormat)
            {
                throw new RepositoryException(
                    $"{store.Address}: format {configuration.Format}; this program knows format {SupportedFormat}");
            }

            return configuration.Encryption is null || configuration.Encryption.IsPossible()
                ? configuration
                : throw new ObjectDamagedException(Name, "what it says of the master key makes no sense");
        }
        catch (ObjectMissingException)
        {
            throw new RepositoryException($"{store.Address}: no repository; 'era backup' makes one with the first backup");
        }
    }

    /// <summary>Makes a store a repository, and returns its id and key.</summary>
    public static (Guid Id, RepositoryKey? Key) Create(IObjectStore store, RepositorySecret? secret, IThreads threads)
    {
        if (IsIn(store)) throw IsThere(store);
        StoredObject other = store.List("").FirstOrDefault(found => !RepositoryLock.IsOne(found.Name));
        if (other != default)
        {
            throw new RepositoryException(
                $"{store.Address}: not empty, and no repository (it holds {other.Name}); a new one needs a place of its own");
        }

        // Of two at once one would put its key in the place of the other's, which has perhaps used it already.
        using RepositoryLock append = RepositoryLock.Take(store, LockKind.Append, "era backup", threads);
        if (IsIn(store)) throw IsThere(store);
        Guid id = threads.NewId();
        byte[]? master = secret is null ? null : RandomNumberGenerator.GetBytes(RepositoryKey.Size);
        RepositoryConfiguration configuration =
            new(SupportedFormat, id, master is null ? null : Wrap(master, secret!, id));
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(configuration, BackupJson.Default.RepositoryConfiguration);
        if (!store.TryCreate(Name, SealedDocument.Seal(Name, body, key: null))) throw IsThere(store);
        return (id, master is null ? null : new RepositoryKey(master));
    }

    /// <summary>Reads the configuration and returns the id and key of the repository.</summary>
    public static (Guid Id, RepositoryKey? Key) Unlock(IObjectStore store, RepositorySecret? secret)
    {
        RepositoryConfiguration configuration = Read(store);
        if (configuration.Encryption is not RepositoryEncryption encryption)
        {
            return secret is null
                ? (configuration.Id, null)
                : throw new RepositoryException($"{store.Address}: not encrypted, and a {NameOf(secret.Kind)} was given: if it was encrypted "
                    + "before, somebody has put another one in its place; else leave that out (--key-file, --passphrase-file, $ERA_PASSPHRASE)");
        }

        string wanted = NameOf(encryption.Secret);
        if (secret is null)
        {
            string options = encryption.Secret is RepositorySecret.Passphrase ? "--passphrase-file or $ERA_PASSPHRASE" : "--key-file";
            throw new RepositoryException($"{store.Address}: encrypted; give the {wanted} ({options})");
        }

        if (!secret.Kind.Equals(encryption.Secret, StringComparison.Ordinal))
            throw new RepositoryException($"{store.Address}: its key is kept under a {wanted}; give that");

        byte[] salt = Convert.FromHexString(encryption.Salt);
        byte[] wrapped = Convert.FromHexString(encryption.MasterKey);
        byte[] master = new byte[RepositoryKey.Size];
        using RecordCipher cipher = new(secret.DeriveKey(salt, encryption.Iterations));
        return cipher.TryOpen(0, wrapped, Context(configuration.Id, encryption), master)
            ? (configuration.Id, new RepositoryKey(master))
            : throw new RepositoryException($"{store.Address}: this is not its {wanted}");
    }

    private static string NameOf(string secretKind) => secretKind is RepositorySecret.Passphrase ? "passphrase" : "key file";

    private static RepositoryException IsThere(IObjectStore store) => new($"{store.Address}: there is a repository already");

    private static RepositoryEncryption Wrap(byte[] master, RepositorySecret secret, Guid id)
    {
        Salt salt = RepositoryKey.NewSalt();
        RepositoryEncryption encryption = new(
            secret.Kind, secret.Iterations, Convert.ToHexStringLower(salt), "");
        using RecordCipher cipher = new(secret.DeriveKey(salt, encryption.Iterations));
        byte[] wrapped = new byte[master.Length + RecordCipher.Overhead];
        cipher.Seal(0, master, Context(id, encryption), wrapped);
        return encryption with { MasterKey = Convert.ToHexStringLower(wrapped) };
    }

    private static byte[] Context(Guid id, RepositoryEncryption encryption) =>
        Encoding.UTF8.GetBytes($"{id} {encryption.Secret} {encryption.Iterations} {encryption.Salt}");
}

/// <summary>How the master key of a repository is kept.</summary>
/// <param name="Secret">What it is kept under: <c>key-file</c> or <c>passphrase</c>.</param>
/// <param name="Iterations">Of PBKDF2 with HMAC-SHA512.</param>
/// <param name="Salt">Of the same; hexadecimal.</param>
/// <param name="MasterKey">Sealed with AES-256-GCM under the key that comes out; hexadecimal.</param>
internal sealed record RepositoryEncryption(string Secret, int Iterations, string Salt, string MasterKey)
{
    private const int MaxIterations = 100_000_000;

    /// <summary>False for what no program has written.</summary>
    public bool IsPossible() =>
        Iterations is > 0 and <= MaxIterations && IsHex(Salt, Packs.Salt.Size)
        && IsHex(MasterKey, RepositoryKey.Size + RecordCipher.Overhead);

    private static bool IsHex(string text, int bytes) => text.Length == 2 * bytes && text.All(char.IsAsciiHexDigit);
}
