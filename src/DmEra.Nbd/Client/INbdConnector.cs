using DmEra.Nbd.Transport;

namespace DmEra.Nbd.Client;

/// <summary>How a client gets connections to its server: sockets, or a simulation.</summary>
internal interface INbdConnector
{
    /// <summary>Connects.</summary>
    /// <param name="handshakeIsOver">To be called when the server may take its time: until then the connection ends when it does.</param>
    /// <exception cref="IOException">The server cannot be reached.</exception>
    INbdTransport Connect(out Action handshakeIsOver);
}
