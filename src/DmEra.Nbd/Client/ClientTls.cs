using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DmEra.Nbd.Protocol;
using DmEra.Nbd.Transport;

namespace DmEra.Nbd.Client;

/// <summary>Whom a client trusts, and what it shows.</summary>
internal sealed class ClientTls
{
    private readonly X509Certificate2Collection _authorities = [];
    private readonly SslStreamCertificateContext? _certificate;

    /// <summary>Loads PEM files by the names that nbdkit, QEMU and libvirt use.</summary>
    /// <param name="folder">Null: the authorities of the operating system, and no certificate to show.</param>
    /// <exception cref="IOException">A file is missing, unreadable, or not what it should be.</exception>
    public ClientTls(string? folder)
    {
        if (folder is null) return;
        string certificate = Path.Combine(folder, "client-cert.pem");
        string key = Path.Combine(folder, "client-key.pem");
        try
        {
            _authorities.ImportFromPemFile(Path.Combine(folder, "ca-cert.pem"));
            if (File.Exists(certificate))
            {
                _certificate = SslStreamCertificateContext.Create(
                    X509Certificate2.CreateFromPemFile(certificate, key), additionalCertificates: null, offline: true);
            }
        }
        catch (Exception fault) when (fault is CryptographicException or UnauthorizedAccessException)
        {
            throw new IOException($"{folder}: {fault.Message}", fault);
        }

        if (_authorities.Count == 0) throw new IOException($"{folder}/ca-cert.pem: there is no certificate in it");
    }

    /// <summary>Starts TLS on a connection.</summary>
    /// <exception cref="NbdProtocolException">The server does not, or its certificate will not do.</exception>
    public TlsTransport Start(INbdTransport plain, string hostName) =>
        TlsTransport.Start(plain, stream => stream.AuthenticateAsClient(Options(hostName)));

    private SslClientAuthenticationOptions Options(string hostName) => new()
    {
        TargetHost = hostName,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        AllowRenegotiation = false,
        ClientCertificateContext = _certificate,
        CertificateChainPolicy = ChainPolicy(),
    };

    private X509ChainPolicy ChainPolicy()
    {
        X509ChainPolicy policy = new()
        {
            TrustMode = _authorities.Count > 0 ? X509ChainTrustMode.CustomRootTrust : X509ChainTrustMode.System,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(_authorities);
        return policy;
    }
}
