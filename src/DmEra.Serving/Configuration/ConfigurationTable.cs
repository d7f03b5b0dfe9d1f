using Tomlyn.Syntax;

namespace DmEra.Serving.Configuration;

/// <summary>The keys of one table. Each is asked for once, and what is left over in the end is unknown.</summary>
/// <param name="report">Told what is wrong, and where.</param>
internal sealed class ConfigurationTable(Action<Place, string> report)
{
    private readonly Dictionary<string, (Place Place, ValueSyntax? Value)> _left = new(StringComparer.Ordinal);
    private readonly List<string> _known = [];

    /// <summary>Adds the keys of a part of it.</summary>
    /// <param name="file">Where it is from.</param>
    /// <param name="items">The keys, with their values.</param>
    public void Add(string file, IEnumerable<KeyValueSyntax> items)
    {
        foreach (KeyValueSyntax item in items)
        {
            string key = NameOf(item.Key!);
            Place place = Place.Of(file, item);
            if (!_left.TryAdd(key, (place, item.Value))) report(place, $"'{key}' is there twice");
        }
    }

    /// <summary>A word, a path, a line of text.</summary>
    public string? Text(string key) => Take(key, value => (value as StringValueSyntax)?.Value, "a text in quotes");

    /// <summary>A number from 0 on.</summary>
    public uint? Number(string key) => Take<uint?>(
        key, value => value is IntegerValueSyntax { Value: >= 0 and <= uint.MaxValue } number ? (uint)number.Value : null, $"a number from 0 to {uint.MaxValue}");

    /// <summary>The same, or "off", which is 0.</summary>
    public uint? NumberOrOff(string key) => Take<uint?>(
        key,
        value => value switch
        {
            IntegerValueSyntax { Value: >= 0 and <= uint.MaxValue } number => (uint)number.Value,
            StringValueSyntax { Value: "off" } => 0,
            _ => null,
        },
        "a number from 0 on, or \"off\"");

    /// <summary>Bytes: a number, or a text as in <c>"64K"</c>.</summary>
    public long? Size(string key) => Take<long?>(
        key,
        value => value switch
        {
            IntegerValueSyntax { Value: > 0 } bytes => bytes.Value,
            StringValueSyntax { Value: string text } when ByteSize.TryParse(text, out long bytes) => bytes,
            _ => null,
        },
        "a size; sizes are like \"64K\", \"1M\", \"1G\", 4096 (bytes) or \"128s\" (sectors)");

    /// <summary>true or false; false when it is missing.</summary>
    public bool Flag(string key) => Take<bool?>(key, value => (value as BooleanValueSyntax)?.Value, "true or false") ?? false;

    /// <summary>Texts; none when it is missing.</summary>
    public IReadOnlyList<string> Texts(string key) => Take(
        key,
        value =>
        {
            if (value is StringValueSyntax { Value: string single }) return [single];
            if (value is not ArraySyntax array) return null;
            string?[] texts = [.. array.Items.Select(item => (item.Value as StringValueSyntax)?.Value)];
            return texts.Contains(null) ? null : texts.OfType<string>().ToArray();
        },
        "a text in quotes, or several in brackets") ?? [];

    /// <summary>Reports what nobody has asked for.</summary>
    public void RejectOthers()
    {
        foreach ((string key, (Place place, _)) in _left)
            report(place, $"there is no setting '{key}' here{NearestWord.Hint(key, _known)}");
    }

    /// <summary>A key with its dots.</summary>
    public static string NameOf(KeySyntax key) => string.Join('.', PartsOf(key));

    /// <summary>The parts between the dots.</summary>
    public static IReadOnlyList<string> PartsOf(KeySyntax key) =>
        [Part(key.Key), .. key.DotKeys.Select(dotted => Part(dotted.Key))];

    private static string Part(BareKeyOrStringValueSyntax? key) =>
        key is StringValueSyntax quoted ? quoted.Value ?? "" : (key as BareKeySyntax)?.Key?.Text ?? "";

    private T? Take<T>(string key, Func<ValueSyntax?, T?> read, string what)
    {
        _known.Add(key);
        if (!_left.Remove(key, out (Place Place, ValueSyntax? Value) found)) return default;
        T? value = read(found.Value);
        if (value is null) report(found.Place, $"{key} must be {what}");
        return value;
    }
}
