using DmEra.Devices;

namespace DmEra.Tests;

/// <summary>What a test asks of a device that must be able to do it.</summary>
internal static class RequireCapability
{
    public static bool TryReadNow(this IBlockDevice device, long offset, Span<byte> buffer) =>
        ((IImmediateAccess)device).TryReadNow(offset, buffer);

    public static bool TryWriteNow(this IBlockDevice device, long offset, ReadOnlySpan<byte> data) =>
        ((IImmediateAccess)device).TryWriteNow(offset, data);

    public static void Prefetch(this IBlockDevice device, long offset, long length) => ((IReadAhead)device).Prefetch(offset, length);
}
