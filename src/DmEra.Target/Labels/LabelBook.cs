using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using DmEra.Devices;
using DmEra.Target.Chronicles;

namespace DmEra.Target.Labels;

/// <summary>
/// The labels of a device, in a file beside its metadata: <c>METADATA.labels</c>, or for metadata on a block device
/// <c>/var/lib/era/NAME.labels</c>. Changed by one program at a time; after a crash it is as before the change or as after it.
/// </summary>
public sealed class LabelBook
{
    private const int LongestLabel = 200;
    private const int LongestFile = 16 << 20;
    private const string Suffix = ".labels";

    // With umlauts as they are.
    private static readonly LabelJson Json = new(new JsonSerializerOptions(LabelJson.Default.Options)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    private LabelBook(string path, IReadOnlyList<EraLabel> labels)
    {
        Path = path;
        Labels = labels;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The labels, by era.</summary>
    public IReadOnlyList<EraLabel> Labels { get; private set; }

    /// <summary>Where the labels of a device are kept.</summary>
    /// <param name="metadata">Path of its metadata.</param>
    public static string PathFor(string metadata) => SideFile.PathFor(metadata, Suffix);

    /// <summary>Reads the labels of a device; none when there is no file.</summary>
    /// <exception cref="LabelException">The file is damaged.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static LabelBook Read(string metadata)
    {
        string path = PathFor(metadata);
        return new LabelBook(path, Parse(path));
    }

    /// <summary>Changes the labels of a device, with nobody else changing them meanwhile.</summary>
    /// <exception cref="LabelException">The file is damaged; or <paramref name="change"/> refuses.</exception>
    /// <exception cref="IOException">It cannot be written: it is as before.</exception>
    public static T Change<T>(string metadata, Func<LabelBook, T> change)
    {
        string path = PathFor(metadata);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        // A lock of its own: the file itself is replaced.
        using IDisposable taken = TakeLock($"{path}.lock");
        LabelBook book = new(path, Parse(path));
        T result = change(book);
        DurableFile.Replace(path, $"{path}.new", JsonSerializer.SerializeToUtf8Bytes(book.Labels, Json.IReadOnlyListEraLabel));
        return result;
    }

    /// <summary>Begins an era and gives it a label, with nobody else changing the labels meanwhile.</summary>
    /// <param name="metadata">Path of the metadata.</param>
    /// <param name="label">The label.</param>
    /// <param name="lineage">Identifies the metadata; null when that is not known.</param>
    /// <param name="begin">Begins the era.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="LabelException">The label cannot be given: no era has begun.</exception>
    /// <exception cref="IOException">It cannot be written; the era has begun all the same.</exception>
    public static EraBeginning Mark(string metadata, string label, Guid? lineage, Func<EraBeginning> begin, TimeProvider time) =>
        Change(metadata, book =>
        {
            // Before there is an era that nobody can find by its name.
            book.RequireFree(label);
            EraBeginning begun = begin();
            book.Add(new EraLabel(label, begun.Era, time.GetUtcNow(), lineage, begun.Mark));
            return begun;
        });

    /// <summary>Refuses a label that cannot be given.</summary>
    /// <exception cref="LabelException">It is there already, could be taken for an era, or is no line of text.</exception>
    public void RequireFree(string label)
    {
        if (label.Trim().Length == 0 || label.Length > LongestLabel || label.Any(char.IsControl))
            throw new LabelException($"'{label}': a label is a line of 1 to {LongestLabel} letters");
        if (label.All(char.IsAsciiDigit) || EraMark.TryParse(label, out _))
            throw new LabelException($"'{label}': a label of digits, or of an era and its mark, would be taken for an era");
        if (TryFind(label) is EraLabel there)
            throw new LabelException($"'{label}': is era {there.Era} already; remove it first, or choose another");
    }

    /// <summary>Gives a label to the era that has just begun.</summary>
    /// <exception cref="LabelException">As for <see cref="RequireFree"/>.</exception>
    public void Add(EraLabel label)
    {
        RequireFree(label.Label);
        Labels = [.. Labels.Append(label).OrderBy(other => other.Era)];
    }

    /// <summary>Takes a label away.</summary>
    /// <exception cref="LabelException">There is none of that name.</exception>
    public EraLabel Remove(string label)
    {
        EraLabel found = TryFind(label) ?? throw Unknown(label);
        Labels = [.. Labels.Where(other => other != found)];
        return found;
    }

    /// <summary>The era that a label stands for.</summary>
    /// <param name="label">The label.</param>
    /// <param name="history">That is asked about.</param>
    /// <param name="remark">Is told, as a line, that it is taken on trust.</param>
    /// <exception cref="LabelException">There is none of that name; or it is of other metadata, or of metadata that
    /// was put back from a copy since.</exception>
    public uint Find(string label, HistoryIdentity history, Action<string> remark)
    {
        EraLabel found = TryFind(label) ?? throw Unknown(label);
        if (found.WhyNotOf(history) is string why) throw new LabelException($"{Path}: '{label}' {why}");
        if (found.IsTakenOnTrust(history))
            remark($"{Path}: '{label}' has no mark, and one of the two has no lineage: nothing but its number says that it is of this metadata");
        return found.Era;
    }

    private EraLabel? TryFind(string label) =>
        Labels.FirstOrDefault(other => other.Label.Equals(label, StringComparison.Ordinal));

    private LabelException Unknown(string label) => new(Labels.Count == 0
        ? $"'{label}': no such label, and no number; there are no labels in {Path}"
        : $"'{label}': no such label, and no number; {Path} has {string.Join(", ", Labels.Select(other => $"'{other.Label}'"))}");

    private static IDisposable TakeLock(string path)
    {
        try { return SideFile.TakeLock(path); }
        catch (DeviceException fault) when (fault.Errno == Errno.EBUSY)
        {
            throw new LabelException($"{path}: somebody else is changing the labels; try again");
        }
    }

    private static IReadOnlyList<EraLabel> Parse(string path)
    {
        if (SideFile.TryRead(path, LongestFile) is not byte[] json) return [];
        try
        {
            if (json.Length > LongestFile) throw new JsonException("it is too long");
            IReadOnlyList<EraLabel?>? labels = JsonSerializer.Deserialize(json, Json.IReadOnlyListEraLabel);
            return labels?.Contains(null) == false ? [.. labels.OfType<EraLabel>()] : throw new JsonException("it is no list of labels");
        }
        catch (JsonException fault)
        {
            throw new LabelException($"{path}: damaged: {fault.Message}; put it back from a copy, or mend it by hand");
        }
    }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(IReadOnlyList<EraLabel>))]
internal sealed partial class LabelJson : JsonSerializerContext;
