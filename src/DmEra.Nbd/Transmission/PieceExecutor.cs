using System.Diagnostics;
using DmEra.Devices;
using DmEra.Nbd.Protocol;
using DmEra.Nbd.Transport;

namespace DmEra.Nbd.Transmission;

/// <summary>
/// Executes a long request for which there is no memory: piece by piece, on the connection's own thread, in the two
/// buffers that every connection has. So a client that takes its replies goes on, whatever others hold and for how long.
/// </summary>
internal sealed class PieceExecutor(
    IBlockDevice device, RequestExecutor executor, ReplyEncoder encoder, InputBuffer input, ReplyBatch batch, ConnectionLog log)
{
    /// <summary>What each of the two buffers can take besides headers.</summary>
    public const int PieceBytes = 256 << 10;

    /// <summary>Executes a request, none of whose payload has been taken yet.</summary>
    /// <returns>false when the connection cannot go on.</returns>
    public bool Execute(in NbdRequest request) => request.Command switch
    {
        Command.Read => Read(request),
        Command.Write => Write(request),
        Command.BlockStatus => DescribeBlocks(request),
        _ => throw new UnreachableException(),
    };

    private bool Read(in NbdRequest request)
    {
        bool isWhole = encoder.NeedsWholeData(request);
        for (int done = 0, length; done < (int)request.Length; done += length)
        {
            length = Math.Min(PieceBytes, (int)request.Length - done);
            bool isTail = isWhole && done > 0;      // the header has gone before
            int header = isTail ? 0 : encoder.DataHeaderSize;
            Span<byte> reply = batch.Reserve(header + length);
            try { device.Read((long)request.Offset + done, reply[header..]); }
            catch (DeviceException fault)
            {
                if (!isTail) return Fail(request, fault);
                log.Fault(request, fault);
                return false;       // data that was announced cannot be taken back
            }

            if (isTail) batch.Add(length);
            else if (isWhole) batch.Add(encoder.BeginRead(reply, request) + length);
            else batch.Add(encoder.FinishRead(reply, request, done));
        }

        return true;
    }

    private bool Write(in NbdRequest request)
    {
        int length;
        for (int left = (int)request.PayloadLength; left > 0; left -= length)
        {
            length = Math.Min(PieceBytes, left);
            if (!input.TryFill(length)) return false;
            try { device.Write((long)request.Offset + ((int)request.PayloadLength - left), input.Peek(length)); }
            catch (DeviceException fault) { return input.TryDiscard(left) && Fail(request, fault); }

            input.Skip(length);
        }

        try
        {
            if (request.WantsFlush) device.Flush();
        }
        catch (DeviceException fault)
        {
            return Fail(request, fault);
        }

        batch.Add(encoder.WriteDone(batch.Reserve(ReplyEncoder.LongestShortReply), request));
        return true;
    }

    private bool DescribeBlocks(in NbdRequest request)
    {
        Span<byte> payload = stackalloc byte[(int)request.PayloadLength];   // RequestRules keeps it short
        if (!input.TryTake(payload)) return false;
        try
        {
            executor.DescribeBlocks(request, payload, batch);
            return true;
        }
        catch (DeviceException fault)
        {
            return Fail(request, fault);
        }
    }

    private bool Fail(in NbdRequest request, DeviceException fault)
    {
        log.Fault(request, fault);
        batch.Add(encoder.WriteError(batch.Reserve(ReplyEncoder.LongestShortReply), request, NbdErrno.From(fault), ""));
        return true;
    }
}
