using DmEra.Cli;
using DmEra.Devices;
using DmEra.Fuzz.Metadata;
using DmEra.Tests.Cli;
using DmEra.Tests.Golden;
using DmEra.Tools.Check;

namespace DmEra.Tests.Tools;

/// <summary>Our tools and those of thin-provisioning-tools 0.9.0 on the same metadata, in both directions: the kernel's,
/// and our target's in every state. Those without blocks, which 0.9.0 cannot read, are left out; where an era is open,
/// which it overlooks, it gets what we restore.</summary>
public sealed class OtherToolsTests : IDisposable
{
    private const string Kernel = "kernel: ";

    private readonly TempFolder _folder = new();

    public static TheoryData<string> Images => [.. Names];

    // With megabytes of XML 0.9.0 takes up to a minute.
    public static TheoryData<string> SmallImages =>
        [.. Names.Where(name => name is not ("wide" or Kernel + "undigested" or Kernel + "many-writesets"))];

    private static IEnumerable<string> Names =>
        FuzzImages.Names.Concat(GoldenImage.Names.Select(name => Kernel + name)).Where(name => name is not ("formatted" or Kernel + "formatted"));

    public void Dispose() => _folder.Dispose();

    [Theory, MemberData(nameof(SmallImages))]
    public void Both_make_the_same_of_each_others_metadata(string name)
    {
        string metadata = Write(name), xml = _folder["xml"], ours = _folder["ours"], theirs = _folder.Sparse("theirs", 8 << 20);
        Run("dump", "-o", xml, metadata);
        Run("restore", "-q", "-i", xml, "-o", ours);
        Oracle.Run("era_restore", "-q", "-i", xml, "-o", theirs).AssertSuccess();

        string dump = File.ReadAllText(xml);
        Assert.Equal(dump, Oracle.EraDump(ours));
        Assert.Equal(dump, Oracle.EraDump(theirs));
        Assert.Equal(dump, Run("dump", theirs));
        if (!Facts(metadata).HasOpenEra) Assert.Equal(dump, Oracle.EraDump(metadata));
        Oracle.EraCheck(ours);
        Run("check", theirs);
        CompareLists(metadata, ours, theirs);
    }

    [Theory, MemberData(nameof(Images))]
    public void Both_make_the_same_of_what_is_repaired(string name)
    {
        string metadata = Write(name), repaired = _folder["repaired"];

        Run("repair", "-i", metadata, "-o", repaired);

        Oracle.EraCheck(repaired);
        Run("check", repaired);
        CompareLists(metadata, repaired, repaired);
    }

    private static MetadataFacts Facts(string metadata)
    {
        using FileBlockDevice device = FileBlockDevice.OpenReadOnly(metadata);
        return MetadataChecker.CheckSuperblock(device).Facts!;
    }

    private static void CompareLists(string metadata, string ours, string theirs)
    {
        uint current = Facts(metadata).CurrentEra;
        foreach (uint era in new uint[] { 0, 1, (current / 2) + 1, current, current + 1 })
        {
            string list = Invalidate(era, metadata, current);
            Assert.Equal(list, Oracle.Run("era_invalidate", "--written-since", $"{era}", ours).AssertSuccess().Output);
            Assert.Equal(list, Invalidate(era, theirs, current));
        }
    }

    // The other one says nothing of an era that has not begun.
    private static string Invalidate(uint era, string metadata, uint currentEra)
    {
        CommandRun run = CommandRun.Of("invalidate", "--written-since", $"{era}", metadata);
        Assert.Equal((ExitCode.Done, era > currentEra), (run.ExitCode, run.Error.Contains("has not begun", StringComparison.Ordinal)));
        return run.Output;
    }

    private string Write(string name)
    {
        byte[] image = name.StartsWith(Kernel, StringComparison.Ordinal)
            ? GoldenImage.Load(name[Kernel.Length..]).Metadata
            : FuzzImages.All.Single(image => image.Name == name).Bytes;
        File.WriteAllBytes(_folder["meta"], image);
        return _folder["meta"];
    }

    private static string Run(params string[] arguments)
    {
        CommandRun run = CommandRun.Of(arguments);
        Assert.Equal((ExitCode.Done, ""), (run.ExitCode, run.Error));
        return run.Output;
    }
}
