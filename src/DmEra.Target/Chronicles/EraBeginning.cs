namespace DmEra.Target.Chronicles;

/// <summary>An era that has begun.</summary>
/// <param name="Era">Its number.</param>
/// <param name="Mark">The mark of its beginning; null when it has none, as an era of the kernel.</param>
public readonly record struct EraBeginning(uint Era, Guid? Mark);
