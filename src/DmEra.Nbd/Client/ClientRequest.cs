using DmEra.Nbd.Protocol;

namespace DmEra.Nbd.Client;

/// <summary>What is asked of a server. A length fits into 32 bits.</summary>
internal readonly record struct ClientRequest(
    Command Command, long Offset = 0, long Length = 0, CommandFlags Flags = CommandFlags.None)
{
    /// <summary>Whether it changes what is read.</summary>
    public bool IsChange => Command is Command.Write or Command.WriteZeroes or Command.Trim;
}

/// <summary>The connection ended before the reply came: nobody knows whether the request was executed.</summary>
internal sealed class ConnectionLostException(string why) : Exception(why);
