namespace DmEra.Nbd;

/// <summary>What a client can make the server hold or do, each with its bound.</summary>
internal static class NbdLimits
{
    /// <summary>Payload of one request or reply; announced to clients.</summary>
    public const int PayloadBytes = 32 << 20;

    /// <summary>A refused payload or option up to this size is read and dropped; a longer one ends the connection.
    /// </summary>
    public const int DiscardBytes = 64 << 20;

    /// <summary>Any string of the protocol.</summary>
    public const int NameBytes = 4096;

    /// <summary>Data of one option.</summary>
    public const int OptionBytes = 64 << 10;

    /// <summary>Options before transmission.</summary>
    public const int Options = 128;

    /// <summary>Metadata contexts selected at once.</summary>
    public const int Contexts = 16;

    /// <summary>Names of contexts in one option: each may have to be looked up in a file.</summary>
    public const int ContextQueries = 128;

    /// <summary>Extents in one chunk of block status.</summary>
    public const int Extents = 1 << 14;

    /// <summary>Requests of one connection that wait for a worker, for the device, or for being replied to.</summary>
    public const int RequestsUnderWay = 128;

    /// <summary>Bytes that these requests may hold, if there is more than one.</summary>
    public const int BytesUnderWay = 32 << 20;

    /// <summary>Bytes of these that each connection is sure of, whatever others hold: enough for as many small requests as
    /// may be under way.</summary>
    public const int OwnBytes = 640 << 10;

    /// <summary>Bytes that all connections together may hold beyond that. Clients that do not take their replies can
    /// keep them for ever.</summary>
    public const long SharedBytes = 256L << 20;

    /// <summary>Connections that have not chosen an export yet; where more clients may be served, as many as these: all may
    /// come at once, as after a restart.</summary>
    public const int Handshakes = 64;

    /// <summary>Requests that wait for a device at the same time, whatever the number of connections.</summary>
    public const int BusyWorkers = 64;
}
