namespace DmEra.Nbd.Client;

/// <summary>The connections to one run of a server: when one of them is lost, all are given up together, for what the
/// server had not made stable may be lost with it.</summary>
internal sealed class ClientSession(ClientConnection[] connections) : IDisposable
{
    private uint _next;
    private volatile bool _isLost;

    public RemoteExport Export => connections[0].Export;

    /// <summary>Whether it has been given up.</summary>
    public bool IsLost => _isLost;

    /// <summary>The connection whose turn it is.</summary>
    public ClientConnection Next() => connections[Interlocked.Increment(ref _next) % (uint)connections.Length];

    /// <summary>Gives all connections up.</summary>
    public void Abort()
    {
        _isLost = true;
        foreach (ClientConnection connection in connections) connection.Abort();
    }

    public void Dispose()
    {
        foreach (ClientConnection connection in connections) connection.Dispose();
    }
}
