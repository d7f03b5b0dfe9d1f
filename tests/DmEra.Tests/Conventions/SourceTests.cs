using System.Text.RegularExpressions;

namespace DmEra.Tests.Conventions;

/// <summary>What every source file keeps to.</summary>
public sealed partial class SourceTests
{
    private const int LongestProjectFile = 20;

    // The two managers are names of the field itself.
    private static readonly string[] NamesOfTheField = ["BlockManager", "TransactionManager"];

    [Fact]
    public void Namespaces_match_folders()
    {
        IEnumerable<string> offenders = Repository.Files("src", "*.cs").Concat(Repository.Files("tests", "*.cs"))
            .Where(path => NamespaceOf(path) is string declared && declared != ExpectedNamespace(path));

        Assert.Empty(offenders);
    }

    [Fact]
    public void Type_names_carry_no_empty_suffix()
    {
        IEnumerable<string> offenders = Repository.Files("src", "*.cs")
            .SelectMany(path => TypeWithEmptySuffix().Matches(Repository.Read(path))
                .Select(match => match.Groups["name"].Value)
                .Except(NamesOfTheField)
                .Select(name => $"{path}: {name}"));

        Assert.Empty(offenders);
    }

    [Fact]
    public void Project_files_stay_small()
    {
        IEnumerable<string> offenders = Repository.Files(".", "*.csproj")
            .Where(path => Repository.Read(path).TrimEnd().Split('\n').Length > LongestProjectFile);

        Assert.Empty(offenders);
    }

    [Fact]
    public void No_file_names_a_folder_of_somebodys_machine()
    {
        string[] patterns = ["*.cs", "*.md", "*.csproj", "*.props", "*.py", "era*", "test", "run"];
        IEnumerable<string> offenders = patterns.SelectMany(pattern => Repository.Files(".", pattern))
            .Where(path => PersonalFolder().IsMatch(Repository.Read(path)));

        Assert.Empty(offenders);
    }

    private static string? NamespaceOf(string path)
    {
        Match match = FileScopedNamespace().Match(Repository.Read(path));
        return match.Success ? match.Groups["name"].Value : null;
    }

    // src/DmEra.Target/Metadata/X.cs -> DmEra.Target.Metadata
    private static string ExpectedNamespace(string path) =>
        string.Join('.', path.Split('/')[1..^1]);

    [GeneratedRegex(@"^namespace (?<name>[\w.]+);", RegexOptions.Multiline)]
    private static partial Regex FileScopedNamespace();

    [GeneratedRegex(@"\b(class|struct|record|interface|enum) (?<name>\w+(Manager|Helper|Util|Utils|Info|Data|Common|Base))\b")]
    private static partial Regex TypeWithEmptySuffix();

    [GeneratedRegex(@"(?<![\w.$}])/(home|Users|work)/")]
    private static partial Regex PersonalFolder();
}
