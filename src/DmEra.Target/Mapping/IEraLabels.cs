namespace DmEra.Target.Mapping;

/// <summary>What users call eras besides their numbers.</summary>
public interface IEraLabels
{
    /// <summary>The labels of this moment, the latest first. From any thread.</summary>
    IReadOnlyList<(string Label, uint Era)> Read();

    /// <summary>The era that a label stands for. From any thread.</summary>
    /// <exception cref="EraTargetException">There is none of that name, or it is not of this history.</exception>
    uint Find(string label);
}
