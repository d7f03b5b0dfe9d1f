using System.Net;
using DmEra.Nbd;
using DmEra.Serving.Sockets;

namespace DmEra.Serving.FrontEnds;

/// <summary>An NBD server for one device.</summary>
/// <param name="export">What it serves.</param>
/// <param name="addresses">Where it listens.</param>
/// <param name="options">Which clients are let in, and how.</param>
public sealed class NbdFrontEnd(NbdExport export, IReadOnlyList<ListenAddress> addresses, NbdServerOptions options) : IFrontEnd
{
    private readonly NbdServer _server = new([export], options);
    private IReadOnlyList<string> _endpoints = [];

    /// <inheritdoc/>
    public void Start()
    {
        bool needsTls = options.Tls is { Mode: NbdTlsMode.Require };
        List<string> endpoints = [];
        foreach (ListenAddress address in addresses)
        {
            EndPoint bound = address.Open(_server);
            endpoints.Add(address.Uri(export.Name, bound, needsTls));
        }

        _endpoints = endpoints;
    }

    /// <inheritdoc/>
    public void Stop() => _server.Stop();

    /// <inheritdoc/>
    public FrontEndDescription Describe() => new(_endpoints, _server.ConnectionCount);
}
