using DmEra.Nbd.Transport;

namespace DmEra.Tests.Nbd.Transport;

public sealed class InputBufferTests
{
    private static readonly byte[] Sent = [.. Enumerable.Range(0, 100).Select(i => (byte)i)];

    [Theory]
    [MemberData(nameof(Seeds.For), 20, MemberType = typeof(Seeds))]
    public void Whatever_way_it_is_taken_everything_comes_once_and_in_order(int seed)
    {
        Random random = new(seed);
        InputBuffer buffer = new(new ScriptedTransport(Sent, random.Next(1, 30)), new byte[16]);
        List<byte> received = [];
        while (received.Count < Sent.Length)
        {
            int count = Math.Min(random.Next(1, 17), Sent.Length - received.Count);
            if (random.Next(2) == 0)
            {
                Assert.True(buffer.TryFill(count));
                received.AddRange(buffer.Peek(count));
                buffer.Skip(count);
            }
            else
            {
                byte[] taken = new byte[Math.Min(count * 2, Sent.Length - received.Count)];
                Assert.True(buffer.TryTake(taken));
                received.AddRange(taken);
            }
        }

        Assert.Equal(Sent, received);
        Assert.False(buffer.TryFill(1));
    }

    [Fact]
    public void What_is_dropped_may_be_longer_than_the_buffer()
    {
        InputBuffer buffer = new(new ScriptedTransport(Sent), new byte[16]);

        Assert.True(buffer.TryDiscard(90));
        Assert.True(buffer.TryFill(10));
        Assert.Equal(Sent.AsSpan()[90..], buffer.Peek(10));
        Assert.False(buffer.TryDiscard(11));
    }
}
