namespace DmEra.Target.Mapping;

/// <summary>What users call eras besides their numbers.</summary>
public interface IEraLabels
{
    /// <summary>The labels of this moment, the latest first. From any thread.</summary>
    IReadOnlyList<(string Label, uint Era)> Read();
}
