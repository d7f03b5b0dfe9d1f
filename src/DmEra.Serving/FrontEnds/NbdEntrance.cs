using System.Net;
using System.Net.Sockets;
using DmEra.Nbd;
using DmEra.Serving.Sockets;

namespace DmEra.Serving.FrontEnds;

/// <summary>Where NBD clients come in: at the addresses of one device, or at those that many have in common, where they choose one by the
/// name of its export.</summary>
/// <param name="server">Lets them in.</param>
/// <param name="addresses">Where it listens.</param>
public sealed class NbdEntrance(NbdServer server, IReadOnlyList<ListenAddress> addresses)
{
    private readonly List<(ListenAddress Address, Socket Socket, EndPoint EndPoint)> _bound = [];

    /// <summary>The server.</summary>
    public NbdServer Server => server;

    /// <summary>Listens. Clients that connect wait until it is opened.</summary>
    /// <exception cref="IOException">That is not possible at one of the addresses; nothing listens then.</exception>
    public void Bind()
    {
        try
        {
            foreach (ListenAddress address in addresses)
            {
                Socket socket = address.Bind();
                _bound.Add((address, socket, socket.LocalEndPoint!));
            }
        }
        catch
        {
            Close();
            throw;
        }
    }

    /// <summary>Lets clients in.</summary>
    public void Open()
    {
        foreach ((_, Socket socket, _) in _bound) server.Listen(socket);
    }

    /// <summary>Stops the server, and frees the addresses. Those that a service manager opened stay.</summary>
    public void Close()
    {
        server.Stop();
        foreach ((_, Socket socket, _) in _bound) socket.Dispose();
    }

    /// <summary>The URIs under which clients find an export.</summary>
    /// <param name="export">Its name.</param>
    /// <param name="needsTls">Whether they get nowhere without TLS.</param>
    public IReadOnlyList<string> UrisOf(string export, bool needsTls) =>
        [.. _bound.Select(bound => bound.Address.Uri(export, bound.EndPoint, needsTls))];
}
