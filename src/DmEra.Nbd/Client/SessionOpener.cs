using System.Globalization;
using DmEra.Devices.Threads;
using DmEra.Nbd.Protocol;
using DmEra.Nbd.Transmission;
using DmEra.Nbd.Transport;

namespace DmEra.Nbd.Client;

/// <summary>Makes sessions with one export, one after the other.</summary>
internal sealed class SessionOpener(NbdUri uri, INbdConnector connector, NbdClientOptions options)
{
    private readonly ClientTls? _tls = uri.UsesTls ? new ClientTls(uri.TlsCertificates) : null;
    private readonly NbdBuffers _buffers = new();
    private readonly IThreads _threads = options.Threads;

    /// <summary>Connects.</summary>
    /// <exception cref="IOException">The server cannot be reached, or refuses.</exception>
    public ClientSession Open()
    {
        List<ClientConnection> opened = [];
        try
        {
            do opened.Add(Connect(opened.Count));
            while (opened.Count < options.Connections && opened[0].Export.Can(TransmissionFlags.CanMultiConn));
            if (opened.Exists(connection => !connection.Export.IsSameAs(opened[0].Export)))
                throw new IOException($"{uri}: one connection has another export than the next");
            return new ClientSession([.. opened]);
        }
        catch
        {
            foreach (ClientConnection connection in opened) connection.Dispose();
            throw;
        }
    }

    private ClientConnection Connect(int number)
    {
        INbdTransport transport = connector.Connect(out Action handshakeIsOver);
        ClientHandshake handshake = new(transport, uri, _tls);
        try
        {
            RemoteExport export = handshake.Run();
            handshakeIsOver();
            string name = string.Create(CultureInfo.InvariantCulture, $"nbd-origin-{number}");
            return new ClientConnection(handshake.Transport, export, _buffers, _threads, name);
        }
        catch (NbdProtocolException fault)
        {
            handshake.Transport.Dispose();
            throw new IOException($"{uri}: {fault.Message}", fault);
        }
    }
}
