using DmEra.Nbd.Handshake;
using DmEra.Nbd.Protocol;

namespace DmEra.Nbd.Transmission;

/// <summary>Why a request is not executed.</summary>
internal readonly record struct Refusal(NbdError Error, string Text)
{
    public static readonly Refusal None = new(NbdError.None, "");
}

/// <summary>Decides which requests are executed. Looks at the request alone, never at the device's content.</summary>
internal static class RequestRules
{
    private static readonly Refusal UnknownCommand = new(NbdError.Invalid, "unknown command");
    private static readonly Refusal UnknownFlag = new(NbdError.Invalid, "a flag that this command does not have");
    private static readonly Refusal Payload = new(NbdError.Invalid, "this command takes no payload");
    private static readonly Refusal NoPayload = new(NbdError.Invalid, "a write must announce its payload");
    private static readonly Refusal ReadOnly = new(NbdError.NotPermitted, "the export is read-only");
    private static readonly Refusal FlushRange = new(NbdError.Invalid, "flush takes neither offset nor length");
    private static readonly Refusal NoContext = new(NbdError.Invalid, "no metadata context is selected");
    private static readonly Refusal WriteTooLong = new(NbdError.Invalid, "longer than the maximum payload");
    private static readonly Refusal ReadTooLong = new(NbdError.Overflow, "longer than the maximum payload");
    private static readonly Refusal WritePastEnd = new(NbdError.NoSpace, "past the end of the export");
    private static readonly Refusal PastEnd = new(NbdError.Invalid, "past the end of the export");

    public static Refusal Check(in NbdRequest request, NbdSession session)
    {
        if (request.Command is Command.Disconnect or > Command.BlockStatus) return UnknownCommand;
        if ((request.Flags & ~AllowedFlags(request.Command, session)) != CommandFlags.None)
            return request.PayloadLength > 0 && request.Command != Command.Write ? Payload : UnknownFlag;
        if (request.IsWrite && session.Export.IsReadOnly) return ReadOnly;

        switch (request.Command)
        {
            case Command.Flush:
                return request is { Offset: 0, Length: 0 } ? Refusal.None : FlushRange;
            case Command.BlockStatus when session.Contexts.Count == 0:
                return NoContext;
            case Command.BlockStatus when request.PayloadLength > StatusQuery.LongestPayload:
                return StatusQuery.Malformed;
            case Command.BlockStatus:
                return Refusal.None;    // the rest is StatusQuery's
            case Command.Write when session.Style == ReplyStyle.Extended && request.PayloadLength != request.Length:
                return NoPayload;
            case Command.Read when request.Length > NbdLimits.PayloadBytes:
                return ReadTooLong;
            case Command.Write when request.Length > NbdLimits.PayloadBytes:
                return WriteTooLong;
            default:
                return CheckRange(request.Command, request.Offset, request.Length, session);
        }
    }

    /// <summary>Refuses what lies, or reaches, outside of the export.</summary>
    public static Refusal CheckRange(Command command, ulong offset, ulong length, NbdSession session)
    {
        ulong size = (ulong)session.Export.Device.Length;
        if (offset <= size && length <= size - offset) return Refusal.None;
        return command is Command.Write or Command.WriteZeroes ? WritePastEnd : PastEnd;
    }

    private static CommandFlags AllowedFlags(Command command, NbdSession session)
    {
        // Clients are known to set FUA on commands that write nothing.
        CommandFlags allowed = CommandFlags.Fua;
        bool extended = session.Style == ReplyStyle.Extended;
        return command switch
        {
            Command.Read when session.Style != ReplyStyle.Simple => allowed | CommandFlags.Df,
            Command.Write when extended => allowed | CommandFlags.PayloadLength,
            Command.WriteZeroes => allowed | CommandFlags.NoHole | CommandFlags.FastZero,
            Command.BlockStatus when extended => allowed | CommandFlags.RequestOne | CommandFlags.PayloadLength,
            Command.BlockStatus => allowed | CommandFlags.RequestOne,
            _ => allowed,
        };
    }
}
