using System.Runtime.CompilerServices;
using DmEra.Devices.Threads;
using DmEra.Nbd;
using DmEra.Nbd.Protocol;
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
    public void Clients_that_come_and_go_have_nobody_stopped_for_a_collection_more_often_than_every_ten_seconds()
    {
        ManualTime time = new();
        NbdBuffers buffers = new(time: time);

        WeakReference first = LendTooMuch(buffers);
        buffers.Trim(isIdle: false);
        Assert.False(first.IsAlive);

        WeakReference second = LendTooMuch(buffers);
        buffers.Trim(isIdle: false);
        time.Advance(TimeSpan.FromSeconds(9));
        Assert.True(second.IsAlive);

        // Nobody else leaves.
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(second.IsAlive);
    }

    [Fact]
    public void Memory_that_is_not_to_be_had_is_not_counted_as_lent()
    {
        NbdBuffers buffers = new(allocate: static _ => throw new IOException());

        Assert.Throws<IOException>(() => buffers.Rent(1));
        Assert.Equal(0, buffers.LentBytes);
    }

    [Fact]
    public void A_request_without_memory_leaves_no_slot_taken()
    {
        bool isEmpty = true;
        NbdBuffers buffers = new(allocate: length => isEmpty ? throw new IOException() : new byte[length]);
        WorkSlots slots = new(null!, buffers, SystemThreads.Instance);
        NbdRequest request = new() { Command = Command.Read, Length = 4096 };

        Assert.Throws<IOException>(() => slots.Rent(request, 4096));
        Assert.Throws<IOException>(() => slots.TryRent(request, 4096));
        slots.AwaitAll();

        isEmpty = false;
        for (int i = 0; i < NbdLimits.RequestsUnderWay; i++) Assert.NotNull(slots.TryRent(request, 4096));
        Assert.Null(slots.TryRent(request, 4096));
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

    // Of three of these one is kept at most.
    private static WeakReference LendTooMuch(NbdBuffers buffers)
    {
        for (int i = 0; i < 2; i++) Lend(buffers, 32 << 20);
        return Lend(buffers, 32 << 20);
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
