using DmEra.Target.Chronicles;

namespace DmEra.Tests.Target.Chronicles;

public class EraMarkTests
{
    [Theory]
    [InlineData("7:59f04cd3-dc06-4352-847f-3c83cfc2dcf9", true)]
    [InlineData("7", false)]
    [InlineData("7:", false)]
    [InlineData(":59f04cd3-dc06-4352-847f-3c83cfc2dcf9", false)]
    [InlineData("-7:59f04cd3-dc06-4352-847f-3c83cfc2dcf9", false)]
    [InlineData("7:30 backup", false)]
    public void A_mark_is_written_as_its_era_and_its_number(string text, bool isMark)
    {
        Assert.Equal(isMark, EraMark.TryParse(text, out EraMark mark));
        if (isMark) Assert.Equal(text, mark.ToString());
    }
}
