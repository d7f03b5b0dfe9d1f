namespace DmEra.Tools.Repair;

/// <summary>Damaged metadata cannot be repaired without knowing more, or not with what was said of it.</summary>
public sealed class UnsalvageableException(string message) : Exception(message);
