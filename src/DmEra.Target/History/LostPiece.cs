namespace DmEra.Target.History;

/// <summary>A piece of the metadata that cannot be read.</summary>
/// <param name="Place">The structure it belongs to, as in "writeset of era 5".</param>
/// <param name="Blocks">The origin blocks it told of.</param>
/// <param name="Path">The metadata blocks that lead to the fault, from the root of the structure downwards.</param>
/// <param name="Fault">Why.</param>
public sealed record LostPiece(string Place, BlockRange Blocks, IReadOnlyList<ulong> Path, Exception Fault);
