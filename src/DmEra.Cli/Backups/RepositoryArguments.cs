using System.CommandLine;
using DmEra.Backup.Images;
using DmEra.Backup.Stores;
using DmEra.Cli.Offline;
using DmEra.Devices;

namespace DmEra.Cli.Backups;

/// <summary>Where a repository is and what unlocks it, as all commands ask for it.</summary>
internal sealed class RepositoryArguments
{
    private const string PassphraseVariable = "ERA_PASSPHRASE";
    private const int KeptMemory = 16 << 20;

    private readonly Option<string?> _keyFile = CommonArguments.Text(
        "--key-file", "FILE", "unlock an encrypted repository with this file");

    private readonly Option<string?> _passphraseFile = CommonArguments.Text(
        "--passphrase-file", "FILE", "unlock it with the first line of this file [default: $ERA_PASSPHRASE]");

    /// <summary>The repository as an operand.</summary>
    public Argument<string> Operand { get; } = CommonArguments.Operand(
        "REPO", "folder, s3://BUCKET/PREFIX or s3+https://HOST/BUCKET/PREFIX");

    /// <summary>Adds the options that unlock it.</summary>
    public void AddTo(Command command)
    {
        command.Add(_keyFile);
        command.Add(_passphraseFile);
    }

    /// <summary>Opens the repository that the operand names.</summary>
    public Repository Open(ParseResult parse, CancellationToken stop) =>
        Open(parse, parse.GetRequiredValue(Operand), stop);

    /// <summary>Opens a repository.</summary>
    public Repository Open(ParseResult parse, string address, CancellationToken stop)
    {
        IObjectStore store = OpenStore(address, stop);
        return Guard(parse, store, () => Repository.Open(store, Secret(parse, stop)));
    }

    /// <summary>Opens a repository, or makes it if there is none: encrypted if a secret is given.</summary>
    public Repository OpenOrCreate(ParseResult parse, string address, CancellationToken stop)
    {
        IObjectStore store = OpenStore(address, stop);
        return Guard(parse, store, () => Repository.Exists(store)
            ? Repository.Open(store, Secret(parse, stop))
            : Repository.Create(store, Secret(parse, stop)));
    }

    private static RepositorySecret FirstLine(Stream file)
    {
        using StreamReader lines = new(file);
        return RepositorySecret.FromPassphrase(lines.ReadLine() ?? "");
    }

    private static IObjectStore OpenStore(string address, CancellationToken stop)
    {
        // The compressor takes a megabyte of native memory for each piece, and frees it.
        NativeHeap.KeepFreed(KeptMemory);
        return RepositoryAddress.Open(address, stop);
    }

    private static Repository Guard(ParseResult parse, IObjectStore store, Func<Repository> open)
    {
        try
        {
            Repository repository = open();
            repository.Remark = line => parse.InvocationConfiguration.Error.WriteLine($"era: {line}");
            return repository;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    // Whoever has given a secret, in whatever way, relies on it: a repository that is not encrypted is none of his.
    private RepositorySecret? Secret(ParseResult parse, CancellationToken stop)
    {
        string? keyFile = parse.GetValue(_keyFile);
        string? passphraseFile = parse.GetValue(_passphraseFile);
        if (keyFile is not null && passphraseFile is not null)
            throw new CommandException("give --key-file or --passphrase-file, not both", ExitCode.Usage);
        if (keyFile is not null) return InputFile.Read(_keyFile.Name, keyFile, file => RepositorySecret.FromKeyFile(keyFile, file), stop);
        if (passphraseFile is not null)
            return InputFile.Read(_passphraseFile.Name, passphraseFile, FirstLine, stop);
        return Environment.GetEnvironmentVariable(PassphraseVariable) is { Length: > 0 } passphrase
            ? RepositorySecret.FromPassphrase(passphrase)
            : null;
    }
}
