namespace DmEra.Target.History;

/// <summary>A run of origin blocks.</summary>
/// <param name="Begin">The first block.</param>
/// <param name="End">The block behind the last one.</param>
public readonly record struct BlockRange(uint Begin, uint End)
{
    /// <summary>Blocks in the run.</summary>
    public uint Count => End - Begin;
}
