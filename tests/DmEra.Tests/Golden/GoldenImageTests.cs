namespace DmEra.Tests.Golden;

/// <summary>Holds the golden data against the tools that it was made with, quirks included.</summary>
public sealed class GoldenImageTests
{
    public static TheoryData<string> Images => GoldenImage.All;

    [Theory, MemberData(nameof(Images))]
    public void The_user_tools_still_say_what_was_recorded(string name)
    {
        GoldenImage image = GoldenImage.Load(name);
        using TempFolder folder = new();
        string metadata = folder["meta"];
        File.WriteAllBytes(metadata, image.Metadata);

        Assert.Equal(image.IsFormattedOnly ? 1 : 0, Oracle.Run("era_check", metadata).ExitCode);
        foreach ((uint era, IReadOnlyList<(uint, uint)> written) in image.WrittenSince())
        {
            if (image.HasOpenEra) Assert.NotEqual(written, Oracle.EraInvalidate(metadata, era));
            else Assert.Equal(written, Oracle.EraInvalidate(metadata, era));
        }
    }
}
