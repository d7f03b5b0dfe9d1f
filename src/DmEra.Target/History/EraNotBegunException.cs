namespace DmEra.Target.History;

/// <summary>A list was asked for since an era that has not begun. It may be one of other metadata, or of a history that was undone: an
/// empty list would make a backup look complete that lacks everything.</summary>
public sealed class EraNotBegunException(uint era, uint currentEra)
    : Exception($"era {era} has not begun: the current era is {currentEra}; take an era or label of this device, or copy all of it")
{
    /// <summary>The era that was asked for.</summary>
    public uint Era { get; } = era;

    /// <summary>The device's current era.</summary>
    public uint CurrentEra { get; } = currentEra;
}
