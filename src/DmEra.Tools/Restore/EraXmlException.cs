namespace DmEra.Tools.Restore;

/// <summary>XML that is not whole, or says what cannot be.</summary>
public sealed class EraXmlException(long line, string cause) : Exception($"line {line}: {cause}")
{
    /// <summary>Where the fault is, counted from 1.</summary>
    public long Line { get; } = line;
}
