using System.Diagnostics;
using System.Numerics;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Nbd.Handshake;
using DmEra.Nbd.Protocol;

namespace DmEra.Nbd.Transmission;

/// <summary>Executes requests that passed <see cref="RequestRules"/> on a device, whatever time it takes.</summary>
internal sealed class RequestExecutor(NbdSession session, ReplyEncoder encoder, NbdBuffers buffers)
{
    private readonly IBlockDevice _device = session.Export.Device;
    private readonly IReadAhead? _readAhead = session.Export.Device as IReadAhead;

    /// <summary>Executes a request and lays out its reply.</summary>
    /// <exception cref="DeviceException">The device failed.</exception>
    public void Execute(NbdWork work)
    {
        NbdRequest request = work.Request;
        if (request.Command == Command.Read)
        {
            Read(work);
            return;
        }

        if (request.Command == Command.BlockStatus)
        {
            DescribeBlocks(request, work.Payload, work);
            return;
        }

        // One of nothing is there for the flush that it asks for.
        if (request.Length > 0 || request.Command == Command.Flush) Apply(request, work.Payload);

        // Stable before it is acknowledged.
        if (request.WantsFlush) _device.Flush();
        work.Add(encoder.WriteDone(work.Reserve(ReplyEncoder.LongestShortReply), request));
    }

    /// <summary>Lays out the chunks that answer a block status.</summary>
    /// <exception cref="DeviceException">The device failed; there may be chunks already.</exception>
    public void DescribeBlocks(in NbdRequest request, ReadOnlySpan<byte> payload, IReplyRoom reply)
    {
        Refusal refusal = StatusQuery.Read(request, payload, session, out StatusQuery query);
        if (refusal.Error != NbdError.None)
        {
            reply.Add(encoder.WriteError(
                reply.Reserve(ReplyEncoder.LongestShortReply), request, refusal.Error, refusal.Text));
            return;
        }

        List<Extent> extents = buffers.RentExtents();
        try
        {
            for (uint left = query.ContextMask, others; left != 0; left = others)
            {
                others = left & (left - 1);
                SelectedContext selected = session.Contexts[BitOperations.TrailingZeroCount(left)];
                extents.Clear();
                selected.Context.Describe((long)request.Offset, (long)query.Length, request.MostExtents, extents);

                ChunkFlags flags = others == 0 ? ChunkFlags.Done : ChunkFlags.None;
                Span<byte> chunk = reply.Reserve(encoder.StatusSize(extents.Count));
                reply.Add(encoder.WriteStatus(chunk, request, flags, selected.Id, CollectionsMarshal.AsSpan(extents)));
            }
        }
        finally
        {
            buffers.Return(extents);
        }
    }

    private void Apply(in NbdRequest request, ReadOnlySpan<byte> payload)
    {
        long offset = (long)request.Offset;
        long length = (long)request.Length;
        switch (request.Command)
        {
            case Command.Flush:
                _device.Flush();
                break;
            case Command.Cache:
                _readAhead?.Prefetch(offset, length);
                break;
            case Command.Write:
                _device.Write(offset, payload);
                break;
            case Command.Trim:
                _device.Trim(offset, length);
                break;
            case Command.WriteZeroes:
                _device.WriteZeroes(offset, length, ModeOf(request.Flags));
                break;
            default:
                throw new UnreachableException();
        }
    }

    private void Read(NbdWork work)
    {
        Span<byte> reply = work.Reserve(encoder.DataHeaderSize + (int)work.Request.Length);
        _device.Read((long)work.Request.Offset, reply[encoder.DataHeaderSize..]);
        work.Add(encoder.FinishRead(reply, work.Request));
    }

    private static ZeroingMode ModeOf(CommandFlags flags) =>
        (flags & (CommandFlags.NoHole | CommandFlags.FastZero)) switch
        {
            CommandFlags.NoHole => ZeroingMode.KeepAllocated,
            CommandFlags.FastZero => ZeroingMode.FastOnly,
            CommandFlags.NoHole | CommandFlags.FastZero => ZeroingMode.FastOnlyKeepAllocated,
            _ => ZeroingMode.MayDeallocate,
        };
}
