using DmEra.Devices;
using DmEra.Nbd.Protocol;

namespace DmEra.Nbd.Client;

/// <summary>
/// An export of an NBD server as a block device: as many requests at once as there are threads that ask, over several
/// connections where the server allows for it.
/// </summary>
/// <remarks>
/// When the server goes away, requests wait until it is back and are sent again, those included that it had acknowledged
/// but not made stable. So what was written is there after a flush, whatever happened to the server in between.
/// </remarks>
public sealed class NbdBlockDevice : IBlockDevice, IReadAhead, IRefreshable, IUnflushedWrites
{
    // What fits into the 32 bits of a length, whatever the server's blocks are.
    private const long LongestRange = (1L << 32) - (64 << 10);
    private const int ZeroesBytes = 1 << 20;

    private static readonly byte[] Zeroes = new byte[ZeroesBytes];

    private readonly RemoteServer _server;

    private NbdBlockDevice(RemoteServer server)
    {
        _server = server;
        Contexts = new BlockStatusCatalog(server.Export.AllocationId is null ? [] : [new RemoteAllocationContext(server)]);
    }

    /// <inheritdoc/>
    public long Length => _server.Export.Length;

    /// <summary>Whether the server refuses writes.</summary>
    public bool IsReadOnly => _server.Export.Can(TransmissionFlags.ReadOnly);

    /// <inheritdoc/>
    /// <remarks>A server that cannot flush does not fail to.</remarks>
    public bool AreKept => _server.CanFlush;

    /// <summary>The server fails requests whose offset or length is no multiple of this.</summary>
    public int MinimumBlock => _server.Export.MinimumBlock;

    /// <summary>What the server tells beyond bytes: <c>base:allocation</c>, if it has that.</summary>
    public IBlockStatusCatalog Contexts { get; }

    /// <summary>Connects to a server.</summary>
    /// <exception cref="IOException">It cannot be reached, or refuses; or the certificates cannot be loaded.</exception>
    public static NbdBlockDevice Open(NbdUri uri, NbdClientOptions options) => Open(uri, new SocketConnector(uri), options);

    /// <inheritdoc/>
    public void Read(long offset, Span<byte> buffer)
    {
        for (int length; !buffer.IsEmpty; buffer = buffer[length..], offset += length)
        {
            length = Math.Min(buffer.Length, _server.Export.MaximumPayload);
            _server.Do(new ClientRequest(Command.Read, offset, length), payload: [], buffer[..length]);
        }
    }

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        for (int length; !data.IsEmpty; data = data[length..], offset += length)
        {
            length = Math.Min(data.Length, _server.Export.MaximumPayload);
            _server.Do(new ClientRequest(Command.Write, offset, length), data[..length]);
        }
    }

    /// <inheritdoc/>
    public void Flush() => _server.Flush();

    /// <inheritdoc/>
    public void Trim(long offset, long length)
    {
        // A hint: a server without it keeps the bytes.
        if (_server.Export.Can(TransmissionFlags.SendTrim)) DoRanges(Command.Trim, CommandFlags.None, offset, length);
    }

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, ZeroingMode mode)
    {
        bool fastOnly = mode is ZeroingMode.FastOnly or ZeroingMode.FastOnlyKeepAllocated;
        bool keepAllocated = mode is ZeroingMode.KeepAllocated or ZeroingMode.FastOnlyKeepAllocated;
        TransmissionFlags needed = TransmissionFlags.SendWriteZeroes | (fastOnly ? TransmissionFlags.SendFastZero : TransmissionFlags.None);
        if (_server.Export.Can(needed))
        {
            CommandFlags flags = (fastOnly ? CommandFlags.FastZero : CommandFlags.None) | (keepAllocated ? CommandFlags.NoHole : CommandFlags.None);
            DoRanges(Command.WriteZeroes, flags, offset, length);
            return;
        }

        if (fastOnly) throw new DeviceException($"{_server.Uri}: cannot zero fast", Errno.ENOTSUP);
        for (long done = 0; done < length; done += ZeroesBytes)
            Write(offset + done, Zeroes.AsSpan(0, (int)Math.Min(ZeroesBytes, length - done)));
    }

    /// <inheritdoc/>
    public void Prefetch(long offset, long length)
    {
        if (!_server.Export.Can(TransmissionFlags.SendCache)) return;
        for (long part; length > 0; offset += part, length -= part)
        {
            part = Math.Min(length, LongestRange);
            _server.Hint(new ClientRequest(Command.Cache, offset, part));
        }
    }

    /// <inheritdoc/>
    public void RefreshLength() => _server.RefreshLength();

    /// <inheritdoc/>
    /// <remarks>May be called again.</remarks>
    public void Dispose() => _server.Dispose();

    /// <summary>As <see cref="Open(NbdUri, NbdClientOptions)"/>, over connections from elsewhere.</summary>
    internal static NbdBlockDevice Open(NbdUri uri, INbdConnector connector, NbdClientOptions options) =>
        new(new RemoteServer(uri, connector, options));

    private void DoRanges(Command command, CommandFlags flags, long offset, long length)
    {
        for (long part; length > 0; offset += part, length -= part)
        {
            part = Math.Min(length, LongestRange);
            _server.Do(new ClientRequest(command, offset, part, flags));
        }
    }
}

/// <summary>What the server says of its holes.</summary>
internal sealed class RemoteAllocationContext(RemoteServer server) : IBlockStatusContext
{
    private const long LongestQuery = 1L << 31;

    /// <inheritdoc/>
    public string Name => "base:allocation";

    /// <inheritdoc/>
    public void Describe(long offset, long length, int maxExtents, List<Extent> extents)
    {
        int others = extents.Count;
        CommandFlags flags = maxExtents == 1 ? CommandFlags.RequestOne : CommandFlags.None;
        server.Do(new ClientRequest(Command.BlockStatus, offset, Math.Min(length, LongestQuery), flags), [], [], extents);
        if (extents.Count - others > maxExtents) extents.RemoveRange(others + maxExtents, extents.Count - others - maxExtents);
    }
}
