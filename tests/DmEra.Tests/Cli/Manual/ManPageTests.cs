using System.CommandLine;
using DmEra.Cli;
using DmEra.Tests.Conventions;

namespace DmEra.Tests.Cli.Manual;

public sealed class ManPageTests
{
    private const string Folder = "man/man8";

    private static readonly string[] OldNames = ["check", "dump", "restore", "repair", "invalidate"];

    [Fact]
    public void Pages_say_what_the_program_does()
    {
        Dictionary<string, string> pages = Pages();
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDEN") == "1") Write(pages);

        string[] files = [.. Repository.Files(Folder, "*")];
        Assert.True(pages.Keys.Order().SequenceEqual(files.Select(Path.GetFileName)), "run UPDATE_GOLDEN=1 ./test ManPage");
        Assert.All(files, path => Assert.True(
            pages[Path.GetFileName(path)] == Repository.Read(path), $"{path} is not up to date: run UPDATE_GOLDEN=1 ./test ManPage"));
    }

    [Fact]
    public void Every_page_is_proper_roff()
    {
        foreach (string path in Repository.Files(Folder, "*.8").Where(path => !path.Contains("era_", StringComparison.Ordinal)))
        {
            ProgramResult result = Oracle.Run("groff", "-man", "-Tascii", "-ww", "-z", Path.Combine(Repository.Root, path));
            Assert.Equal("", result.AssertSuccess().Error);
        }
    }

    private static Dictionary<string, string> Pages()
    {
        RootCommand root = DmEra.Cli.Program.Root();
        Dictionary<string, string> pages = root.Subcommands.ToDictionary(
            command => $"era-{command.Name}.8", command => ManPage.Of((EraCommand)command));
        pages.Add("era.8", ManPage.Of(root));
        foreach (string name in OldNames) pages.Add($"era_{name}.8", $".so man8/era-{name}.8\n");
        return pages;
    }

    private static void Write(Dictionary<string, string> pages)
    {
        string folder = Path.Combine(Repository.Root, Folder);
        Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(folder);
        foreach ((string name, string page) in pages) File.WriteAllText(Path.Combine(folder, name), page);
    }
}
