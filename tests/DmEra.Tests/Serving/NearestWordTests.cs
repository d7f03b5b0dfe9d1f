using DmEra.Serving;

namespace DmEra.Tests.Serving;

public sealed class NearestWordTests
{
    [Theory]
    [InlineData("chekpoint", "checkpoint")]
    [InlineData("sttaus", "status")]
    [InlineData("orgin", "origin")]
    [InlineData("disk.im", "disk.img")]
    public void A_word_with_a_slip_is_recognized(string typed, string meant) =>
        Assert.Equal($"; did you mean '{meant}'?", NearestWord.Hint(typed, ["checkpoint", "status", "origin", "disk.img"]));

    [Theory]
    [InlineData("x")]
    [InlineData("hedgehog")]
    [InlineData("")]
    public void Nothing_is_suggested_that_is_not_near(string typed) =>
        Assert.Equal("", NearestWord.Hint(typed, ["checkpoint", "status", "origin"]));
}
