namespace DmEra.PersistentData.Reading;

/// <summary>An array as its owner knows it.</summary>
/// <param name="Root">Root of its index.</param>
/// <param name="Length">Values in it. It may hold more: an origin that shrank can leave some behind.</param>
public readonly record struct ArrayRef(ulong Root, ulong Length);
