using Tomlyn.Syntax;

namespace DmEra.Serving.Configuration;

/// <summary>A line of a configuration.</summary>
/// <param name="File">Path of the file.</param>
/// <param name="Line">From 1 on.</param>
internal readonly record struct Place(string File, int Line)
{
    /// <summary>Where something is.</summary>
    public static Place Of(string file, SyntaxNodeBase node) => new(file, node.Span.Start.Line + 1);

    /// <summary><c>FILE:LINE</c>.</summary>
    public override string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{File}:{Line}");
}
