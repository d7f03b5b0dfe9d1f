using System.Runtime.CompilerServices;
using DmEra.Nbd.Transmission;

namespace DmEra.Tests.Nbd.Transmission;

public sealed class NbdBuffersTests
{
    [Theory]
    [InlineData(1, 4096)]
    [InlineData(4096, 4096)]
    [InlineData(4096 + NbdBuffers.HeaderRoom, 4096)]
    [InlineData(4096 + NbdBuffers.HeaderRoom + 1, 8192)]
    [InlineData((64 << 10) + 40, 64 << 10)]
    [InlineData((32 << 20) + 40, 32 << 20)]
    public void A_buffer_is_the_next_power_of_two_with_room_for_headers(int size, int expected) =>
        Assert.Equal(expected + NbdBuffers.HeaderRoom, new NbdBuffers().Rent(size).Length);

    [Fact]
    public void A_buffer_that_was_given_back_is_lent_again()
    {
        NbdBuffers buffers = new();
        byte[] buffer = buffers.Rent(100_000);
        buffers.Return(buffer);

        Assert.NotSame(buffer, buffers.Rent(10_000));
        Assert.Same(buffer, buffers.Rent(70_000));
        Assert.NotSame(buffer, buffers.Rent(70_000));
    }

    [Fact]
    public void What_connections_hold_together_is_limited()
    {
        NbdBuffers buffers = new(sharedBytes: 100);

        Assert.True(buffers.TryReserve(60));
        Assert.False(buffers.TryReserve(41));
        Assert.True(buffers.TryReserve(40));
        buffers.Release(60);
        Assert.False(buffers.TryReserve(61));
        Assert.True(buffers.TryReserve(60));
    }

    [Fact]
    public void Nothing_large_is_kept_when_the_last_connection_has_ended()
    {
        NbdBuffers buffers = new();
        WeakReference large = Lend(buffers, 32 << 20);
        WeakReference second = Lend(buffers, 32 << 20);
        byte[] small = buffers.Rent(1 << 20);
        buffers.Return(small);

        buffers.Trim(isIdle: false);
        Assert.True(large.IsAlive);
        buffers.Trim(isIdle: true);

        Assert.False(large.IsAlive || second.IsAlive);
        Assert.Same(small, buffers.Rent(1 << 20));
    }

    [Fact]
    public void No_more_is_kept_than_64_mebibytes()
    {
        NbdBuffers buffers = new();
        byte[][] lent = [.. Enumerable.Range(0, 3).Select(_ => buffers.Rent(32 << 20))];
        foreach (byte[] buffer in lent) buffers.Return(buffer);

        Assert.Same(lent[0], buffers.Rent(32 << 20));
        byte[] next = buffers.Rent(32 << 20);
        Assert.DoesNotContain(lent, buffer => ReferenceEquals(buffer, next));
    }

    // Not inlined, or the stack would hold on to it.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Lend(NbdBuffers buffers, int size)
    {
        byte[] buffer = GC.AllocateUninitializedArray<byte>(NbdBuffers.LengthFor(size));
        buffers.Return(buffer);
        return new WeakReference(buffer);
    }
}
