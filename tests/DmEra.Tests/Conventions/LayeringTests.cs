using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace DmEra.Tests.Conventions;

/// <summary>Dependencies point down the drawing in docs/architecture.md.</summary>
public sealed partial class LayeringTests
{
    private static readonly Dictionary<string, string[]> AllowedReferences = new(StringComparer.Ordinal)
    {
        ["DmEra.Devices"] = [],
        ["DmEra.PersistentData"] = ["DmEra.Devices"],
        ["DmEra.Nbd"] = ["DmEra.Devices"],
        ["DmEra.Target"] = ["DmEra.PersistentData"],
        ["DmEra.Tools"] = ["DmEra.Target"],
        ["DmEra.Backup"] = ["DmEra.Target"],
        ["DmEra.Kernel"] = ["DmEra.Target"],
        ["DmEra.Serving"] = ["DmEra.Nbd", "DmEra.Target"],
        ["DmEra.Control"] = ["DmEra.Serving"],
        ["DmEra.Cli"] = ["DmEra.Backup", "DmEra.Control", "DmEra.Kernel", "DmEra.Tools"],
    };

    // Lowest first: a folder may use the ones before it.
    private static readonly Dictionary<string, string[]> FolderOrder = new(StringComparer.Ordinal)
    {
        ["DmEra.PersistentData"] = ["Blocks", "Transactions", "BTrees", "SpaceMaps", "Arrays", "Bitsets", "Reading", "Building"],
        ["DmEra.Target"] = ["Metadata", "History", "Chronicles", "Labels", "Mapping", "Tracking"],
        ["DmEra.Backup"] = ["Stores", "Packs", "Maps", "Images", "Reading", "Sources", "Taking", "Restoring", "Upkeep"],
    };

    public static TheoryData<string> Projects => new(Repository.Files("src", "*.csproj"));

    public static TheoryData<string> LayeredProjects => new(FolderOrder.Keys);

    [Theory, MemberData(nameof(Projects))]
    public void Project_references_point_downwards(string path)
    {
        string project = Path.GetFileNameWithoutExtension(path);
        IEnumerable<string> references = XDocument.Parse(Repository.Read(path)).Descendants("ProjectReference")
            .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value));

        Assert.Contains(project, AllowedReferences.Keys);
        Assert.Equal(AllowedReferences[project], references.Order(StringComparer.Ordinal));
    }

    [Theory, MemberData(nameof(LayeredProjects))]
    public void Folders_use_only_the_folders_below_them(string project)
    {
        string[] order = FolderOrder[project];
        List<string> upward = [];
        foreach (string path in Repository.Files($"src/{project}", "*.cs"))
        {
            string folder = path.Split('/')[2];
            int level = Array.IndexOf(order, folder);
            Assert.True(level >= 0, $"{path} lies in none of the folders {string.Join(", ", order)}");
            upward.AddRange(FoldersNamedIn(Repository.Read(path), project)
                .Where(used => Array.IndexOf(order, used) > level)
                .Select(used => $"{path} uses {used}"));
        }

        Assert.Empty(upward);
    }

    [Fact]
    public void Tools_read_metadata_and_history_but_run_no_target()
    {
        IEnumerable<string> offenders = Repository.Files("src/DmEra.Tools", "*.cs")
            .Where(path => FoldersNamedIn(Repository.Read(path), "DmEra.Target").Contains("Mapping"));

        Assert.Empty(offenders);
    }

    [Theory, MemberData(nameof(Projects))]
    public void No_project_of_the_product_sees_the_internals_of_another(string path)
    {
        IEnumerable<string> friends = XDocument.Parse(Repository.Read(path)).Descendants("InternalsVisibleTo")
            .Select(friend => friend.Attribute("Include")!.Value);

        Assert.Empty(friends.Intersect(AllowedReferences.Keys));
    }

    private static IEnumerable<string> FoldersNamedIn(string source, string project) =>
        QualifiedName().Matches(source)
            .Where(match => match.Groups["project"].Value == project)
            .Select(match => match.Groups["folder"].Value)
            .Distinct();

    [GeneratedRegex(@"\b(?<project>DmEra\.\w+)\.(?<folder>\w+)")]
    private static partial Regex QualifiedName();
}
