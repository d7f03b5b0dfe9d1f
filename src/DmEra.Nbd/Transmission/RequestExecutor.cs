using System.Diagnostics;
using System.Numerics;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Nbd.Handshake;
using DmEra.Nbd.Protocol;

namespace DmEra.Nbd.Transmission;

/// <summary>Executes requests that passed <see cref="RequestRules"/> on a device, whatever time it takes.</summary>
internal sealed class RequestExecutor(NbdSession session, ReplyEncoder encoder)
{
    private readonly IBlockDevice _device = session.Export.Device;
    private readonly IReadAhead? _readAhead = session.Export.Device as IReadAhead;

    /// <summary>Executes a request and lays out its reply.</summary>
    /// <exception cref="DeviceException">The device failed.</exception>
    public void Execute(NbdWork work)
    {
        NbdRequest request = work.Request;
        long offset = (long)request.Offset;
        long length = (long)request.Length;
        switch (request.Command)
        {
            case Command.Read:
                Read(work);
                return;
            case Command.BlockStatus:
                DescribeBlocks(work);
                return;
            case Command.Flush:
                _device.Flush();
                break;
            case Command.Cache:
                _readAhead?.Prefetch(offset, length);
                break;
            case Command.Write:
                _device.Write(offset, work.Payload);
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

        // Stable before it is acknowledged.
        if (request is { IsFua: true, Command: Command.Write or Command.Trim or Command.WriteZeroes })
            _device.Flush();
        work.AddReply(encoder.WriteDone(work.ReserveReply(ReplyEncoder.LongestShortReply), request));
    }

    private void Read(NbdWork work)
    {
        Span<byte> reply = work.ReserveReply(encoder.DataHeaderSize + (int)work.Request.Length);
        _device.Read((long)work.Request.Offset, reply[encoder.DataHeaderSize..]);
        work.AddReply(encoder.FinishRead(reply, work.Request));
    }

    private static ZeroingMode ModeOf(CommandFlags flags) =>
        (flags & (CommandFlags.NoHole | CommandFlags.FastZero)) switch
        {
            CommandFlags.NoHole => ZeroingMode.KeepAllocated,
            CommandFlags.FastZero => ZeroingMode.FastOnly,
            CommandFlags.NoHole | CommandFlags.FastZero => ZeroingMode.FastOnlyKeepAllocated,
            _ => ZeroingMode.MayDeallocate,
        };

    private void DescribeBlocks(NbdWork work)
    {
        NbdRequest request = work.Request;
        Refusal refusal = StatusQuery.Read(request, work.Payload, session, out StatusQuery query);
        if (refusal.Error != NbdError.None)
        {
            work.AddReply(encoder.WriteError(
                work.ReserveReply(ReplyEncoder.LongestShortReply), request, refusal.Error, refusal.Text));
            return;
        }

        int maxExtents = (request.Flags & CommandFlags.RequestOne) != CommandFlags.None ? 1 : NbdLimits.Extents;
        for (uint left = query.ContextMask, others; left != 0; left = others)
        {
            others = left & (left - 1);
            SelectedContext selected = session.Contexts[BitOperations.TrailingZeroCount(left)];
            work.Extents.Clear();
            selected.Context.Describe((long)request.Offset, (long)query.Length, maxExtents, work.Extents);

            ChunkFlags flags = others == 0 ? ChunkFlags.Done : ChunkFlags.None;
            ReadOnlySpan<Extent> extents = CollectionsMarshal.AsSpan(work.Extents);
            Span<byte> chunk = work.ReserveReply(encoder.StatusHeaderSize + (extents.Length * encoder.ExtentSize));
            work.AddReply(encoder.WriteStatus(chunk, request, flags, selected.Id, extents));
        }
    }
}
