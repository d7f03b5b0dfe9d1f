using System.Net.Security;
using System.Security.Authentication;
using DmEra.Nbd.Protocol;

namespace DmEra.Nbd.Transport;

/// <summary>TLS on top of a plain connection.</summary>
internal sealed class TlsTransport : INbdTransport
{
    private readonly INbdTransport _plain;
    private readonly SslStream _tls;

    private TlsTransport(INbdTransport plain)
    {
        _plain = plain;
        _tls = new SslStream(new TransportStream(plain));
    }

    /// <summary>Lets the client start TLS on a connection.</summary>
    /// <exception cref="NbdProtocolException">It did not, or its certificate will not do.</exception>
    public static TlsTransport Accept(INbdTransport plain, NbdTls tls) =>
        Start(plain, stream => stream.AuthenticateAsServer(tls.Options()));

    /// <summary>Starts TLS on a connection, as either side.</summary>
    /// <exception cref="NbdProtocolException">The peer did not, or its certificate will not do.</exception>
    public static TlsTransport Start(INbdTransport plain, Action<SslStream> authenticate)
    {
        TlsTransport transport = new(plain);
        try
        {
            authenticate(transport._tls);
            return transport;
        }
        catch (Exception fault) when (fault is AuthenticationException or IOException)
        {
            throw new NbdProtocolException($"no TLS: {(fault.InnerException ?? fault).Message}");
        }
    }

    public int Receive(Span<byte> buffer)
    {
        try { return _tls.Read(buffer); }
        catch (IOException) { return 0; }
    }

    public bool TrySend(ReadOnlySpan<byte> data)
    {
        try { _tls.Write(data); }
        catch (IOException) { return false; }

        return true;
    }

    public void StopReceiving() => _plain.StopReceiving();

    public void Abort() => _plain.Abort();

    /// <summary>Tells the client that nothing was cut off, and ends.</summary>
    public void Dispose()
    {
        // Asynchronous in name only: the stream underneath does all it does at once.
        try { _tls.ShutdownAsync().GetAwaiter().GetResult(); }
        catch (Exception fault) when (fault is IOException or InvalidOperationException) { /* The client is gone. */ }

        _tls.Dispose();
        _plain.Dispose();
    }
}
