using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.Nbd.Handshake;
using DmEra.Nbd.Protocol;

namespace DmEra.Nbd.Transmission;

/// <summary>What a BLOCK_STATUS asks: by its header, of all selected contexts; or by its payload, of some.</summary>
/// <param name="Length">Bytes from the request's offset on.</param>
/// <param name="ContextMask">One bit for each entry of <see cref="NbdSession.Contexts"/>.</param>
internal readonly record struct StatusQuery(ulong Length, uint ContextMask)
{
    public const int LongestPayload = sizeof(ulong) + (NbdLimits.Contexts * sizeof(uint));

    public static readonly Refusal Malformed = new(NbdError.Invalid, "malformed payload of block status");
    private static readonly Refusal NoLength = new(NbdError.Invalid, "block status of nothing");

    /// <summary>Takes the query out of a request.</summary>
    public static Refusal Read(
        in NbdRequest request, ReadOnlySpan<byte> payload, NbdSession session, out StatusQuery query)
    {
        query = new StatusQuery(request.Length, (1u << session.Contexts.Count) - 1);
        if (!payload.IsEmpty && !TryReadPayload(payload, session, out query)) return Malformed;
        return query.Length == 0
            ? NoLength
            : RequestRules.CheckRange(request.Command, request.Offset, query.Length, session);
    }

    private static bool TryReadPayload(ReadOnlySpan<byte> payload, NbdSession session, out StatusQuery query)
    {
        query = default;
        int idBytes = payload.Length - sizeof(ulong);
        if (idBytes <= 0 || idBytes % Unsafe.SizeOf<Be32>() != 0) return false;

        uint mask = 0;
        foreach (Be32 id in MemoryMarshal.Cast<byte, Be32>(payload[sizeof(ulong)..]))
        {
            uint bit = MaskOf(id, session);
            if (bit == 0 || (mask & bit) != 0) return false;    // unknown, or named twice
            mask |= bit;
        }

        query = new StatusQuery(BinaryPrimitives.ReadUInt64BigEndian(payload), mask);
        return true;
    }

    private static uint MaskOf(uint id, NbdSession session)
    {
        for (int i = 0; i < session.Contexts.Count; i++)
        {
            if (session.Contexts[i].Id == id) return 1u << i;
        }

        return 0;
    }
}
