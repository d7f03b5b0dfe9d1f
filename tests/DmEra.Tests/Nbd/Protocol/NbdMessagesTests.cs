using System.Runtime.CompilerServices;
using DmEra.Nbd.Protocol;

namespace DmEra.Tests.Nbd.Protocol;

/// <summary>Sizes as the protocol's document gives them; the order of fields is held by the raw client's tests.</summary>
public sealed class NbdMessagesTests
{
    [Fact]
    public void Messages_of_the_handshake_have_their_sizes()
    {
        Assert.Equal(18, Unsafe.SizeOf<Greeting>());
        Assert.Equal(16, Unsafe.SizeOf<OptionHeader>());
        Assert.Equal(20, Unsafe.SizeOf<OptionReplyHeader>());
        Assert.Equal(10, Unsafe.SizeOf<ExportSize>());
        Assert.Equal(12, Unsafe.SizeOf<BlockSizes>());
    }

    [Fact]
    public void Messages_of_transmission_have_their_sizes()
    {
        Assert.Equal(28, Unsafe.SizeOf<CompactRequest>());
        Assert.Equal(32, Unsafe.SizeOf<ExtendedRequest>());
        Assert.Equal(16, Unsafe.SizeOf<SimpleReply>());
        Assert.Equal(20, Unsafe.SizeOf<StructuredChunk>());
        Assert.Equal(32, Unsafe.SizeOf<ExtendedChunk>());
        Assert.Equal(12, Unsafe.SizeOf<Hole>());
        Assert.Equal(6, Unsafe.SizeOf<ErrorPayload>());
        Assert.Equal(8, Unsafe.SizeOf<BlockDescriptor>());
        Assert.Equal(8, Unsafe.SizeOf<ExtendedStatusPayload>());
        Assert.Equal(16, Unsafe.SizeOf<ExtendedBlockDescriptor>());
    }
}
