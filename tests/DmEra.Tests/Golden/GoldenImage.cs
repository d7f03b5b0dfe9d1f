namespace DmEra.Tests.Golden;

/// <summary>
/// Metadata as Linux's dm-era left it, with what the user tools say of it and, where they are wrong, what they
/// should say. See README.md beside this file.
/// </summary>
internal sealed class GoldenImage
{
    private static readonly string Root = Path.Combine(AppContext.BaseDirectory, "Golden");

    private readonly string _folder;

    private GoldenImage(string name, string folder)
    {
        Name = name;
        _folder = folder;
        Metadata = Decompress("meta.bin.zst");
    }

    /// <summary>Every scenario.</summary>
    public static IEnumerable<string> Names =>
        Directory.GetDirectories(Root).Select(folder => Path.GetFileName(folder)).Order(StringComparer.Ordinal);

    /// <summary>Every scenario, as theory data.</summary>
    public static TheoryData<string> All => [.. Names];

    /// <summary>The scenario's name.</summary>
    public string Name { get; }

    /// <summary>The whole metadata device.</summary>
    public byte[] Metadata { get; }

    /// <summary>True when the machine stopped dead: the last era is open, and era_dump and era_invalidate 0.9.0
    /// overlook what was written in it.</summary>
    public bool HasOpenEra => File.Exists(Path.Combine(_folder, "reopened-since-1.xml"));

    /// <summary>True when there is a metadata snapshot.</summary>
    public bool HasSnapshot => Name is "snapshot";

    /// <summary>True when the metadata was never activated: era_check 0.9.0 rejects it, and era_dump breaks off.</summary>
    public bool IsFormattedOnly => Name is "formatted";

    /// <summary>True when a block is in several pending writesets: era_dump 0.9.0 <c>--logical</c> then shows the
    /// lowest era instead of the highest.</summary>
    public bool LogicalDumpIsLow => Name is "undigested";

    /// <summary>Reads a scenario's files.</summary>
    public static GoldenImage Load(string name) => new(name, Path.Combine(Root, name));

    /// <summary>A text that lies in the scenario's folder, compressed or not, as in "dump.xml".</summary>
    public string Text(string name) =>
        File.Exists(Path.Combine(_folder, name))
            ? File.ReadAllText(Path.Combine(_folder, name))
            : System.Text.Encoding.UTF8.GetString(Decompress(name + ".zst"));

    /// <summary>The right answers to "which blocks were written in this era or later", an open era included.</summary>
    public IReadOnlyDictionary<uint, IReadOnlyList<(uint Begin, uint End)>> WrittenSince() =>
        Answers(HasOpenEra ? "reopened-since-" : "invalidate-since-");

    /// <summary>The same as of the metadata snapshot.</summary>
    public IReadOnlyDictionary<uint, IReadOnlyList<(uint Begin, uint End)>> SnapshotWrittenSince() =>
        Answers("snapshot-since-");

    private Dictionary<uint, IReadOnlyList<(uint Begin, uint End)>> Answers(string prefix) =>
        Directory.GetFiles(_folder, prefix + "*.xml").ToDictionary(
            path => uint.Parse(Path.GetFileNameWithoutExtension(path)[prefix.Length..]),
            path => Oracle.BlockRanges(File.ReadAllText(path)));

    private byte[] Decompress(string name)
    {
        using TempFolder folder = new();
        Oracle.Run("zstd", "-dq", Path.Combine(_folder, name), "-o", folder["plain"]).AssertSuccess();
        return File.ReadAllBytes(folder["plain"]);
    }
}
