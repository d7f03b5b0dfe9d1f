namespace DmEra.Fuzz;

/// <summary>A tool did with bad input what no tool may do.</summary>
internal sealed class FuzzException(string message, Exception? inner = null) : Exception(message, inner);
