using DmEra.Nbd;
using DmEra.Serving.Sockets;

namespace DmEra.Serving.FrontEnds;

/// <summary>A device as an NBD export. It has a server of its own, with its own workers, memory and limits, behind an entrance of its own or
/// behind one that other devices share.</summary>
public sealed class NbdFrontEnd : IFrontEnd
{
    private readonly NbdExport _export;
    private readonly NbdServer _server;
    private readonly NbdEntrance _entrance;
    private readonly Lock _gate = new();    // guards the one below, and that it starts before it stops or not at all
    private bool _isStopped;
    private NbdServerOptions _options;

    /// <summary>Prepares it.</summary>
    /// <param name="export">The device.</param>
    /// <param name="options">Which clients are let in, and how.</param>
    /// <param name="addresses">Where its clients come in; empty: at the entrance that devices share.</param>
    /// <param name="shared">That entrance; null when there is none.</param>
    /// <exception cref="ServingException">Clients would have nowhere to come in.</exception>
    public NbdFrontEnd(NbdExport export, NbdServerOptions options, IReadOnlyList<ListenAddress> addresses, NbdEntrance? shared)
    {
        _export = export;
        _options = options;
        _server = new NbdServer([export], options);
        _entrance = addresses.Count > 0 ? new NbdEntrance(_server, addresses)
            : shared ?? throw new ServingException($"{export.Name}: has no address to listen at");
    }

    private bool IsShared => _entrance.Server != _server;

    /// <inheritdoc/>
    public void Start()
    {
        lock (_gate)
        {
            if (_isStopped) throw new ServingException($"{_export.Name}: is being stopped");
            if (IsShared)
            {
                _entrance.Server.Add(_server);
                return;
            }

            _entrance.Bind();
            _entrance.Open();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _isStopped = true;
            if (IsShared)
            {
                _entrance.Server.Remove(_server);
                _server.Stop();
                return;
            }

            // Which stops the server as well: twice would be twice the time that clients may take.
            _entrance.Close();
        }
    }

    /// <summary>Has other limits from now on, for clients that are still to come.</summary>
    public void Change(NbdServerOptions options)
    {
        _options = options;
        _server.Change(options);
    }

    /// <inheritdoc/>
    public FrontEndDescription Describe() => new(
        _entrance.UrisOf(_export.Name, _options.Tls is { Mode: NbdTlsMode.Require }), _server.ConnectionCount);
}
