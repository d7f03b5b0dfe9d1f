namespace DmEra.Target.Labels;

/// <summary>What users call eras besides their numbers.</summary>
public interface IEraLabels
{
    /// <summary>The labels of this moment, the latest first. From any thread.</summary>
    IReadOnlyList<LabelledEra> Read();

    /// <summary>The era that a label stands for. From any thread.</summary>
    /// <exception cref="LabelException">There is none of that name, or it is not of this history.</exception>
    uint Find(string label);
}

/// <summary>An era that has a name.</summary>
/// <param name="Label">The name.</param>
/// <param name="Era">The era.</param>
/// <param name="Mark">The mark that its beginning had when the label was given; null: none.</param>
public readonly record struct LabelledEra(string Label, uint Era, Guid? Mark);
