namespace DmEra.Serving.Configuration;

/// <summary>A configuration that nothing is started by.</summary>
/// <param name="errors">All that is wrong with it, a line each: <c>FILE:LINE: what is wrong and what to do</c>.</param>
public sealed class ConfigurationException(IReadOnlyList<string> errors) : ServingException(string.Join("; ", errors))
{
    /// <summary>All that is wrong with it, a line each.</summary>
    public IReadOnlyList<string> Errors => errors;
}
