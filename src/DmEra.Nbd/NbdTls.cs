using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace DmEra.Nbd;

/// <summary>Whether a server speaks TLS. The words are nbdkit's.</summary>
public enum NbdTlsMode
{
    /// <summary>A client may ask for TLS, and may do without.</summary>
    On,

    /// <summary>Nothing but asking for TLS is answered in plain text.</summary>
    Require,
}

/// <summary>
/// TLS with X.509 certificates: that of the server, and those that clients show if they must. (Pre-shared keys are not
/// offered: the platform's TLS has none.)
/// </summary>
public sealed class NbdTls
{
    private readonly X509Certificate2Collection _authorities;
    private readonly SslStreamCertificateContext _certificate;

    private NbdTls(
        NbdTlsMode mode, bool verifiesClients, X509Certificate2 certificate, X509Certificate2Collection chain,
        X509Certificate2Collection authorities)
    {
        Mode = mode;
        VerifiesClients = verifiesClients;
        _authorities = authorities;
        _certificate = SslStreamCertificateContext.Create(certificate, chain, offline: true);
    }

    /// <summary>Whether clients may do without.</summary>
    public NbdTlsMode Mode { get; }

    /// <summary>Whether a client must show a certificate signed by the authority.</summary>
    public bool VerifiesClients { get; }

    /// <summary>Loads PEM files by the names that nbdkit, QEMU and libvirt use: <c>server-cert.pem</c> (with any
    /// intermediate certificates behind it), <c>server-key.pem</c>, and <c>ca-cert.pem</c> to verify clients.</summary>
    /// <exception cref="IOException">A file is missing, unreadable, or not what it should be.</exception>
    public static NbdTls FromDirectory(string path, NbdTlsMode mode, bool verifiesClients)
    {
        string certificatePath = Path.Combine(path, "server-cert.pem");
        string keyPath = Path.Combine(path, "server-key.pem");
        string authorityPath = Path.Combine(path, "ca-cert.pem");
        X509Certificate2 certificate = Load(
            $"{certificatePath} or {keyPath}", () => X509Certificate2.CreateFromPemFile(certificatePath, keyPath));
        return new NbdTls(
            mode,
            verifiesClients,
            certificate,
            Load(certificatePath, () => ImportPem(certificatePath)),
            verifiesClients ? Load(authorityPath, () => ImportPem(authorityPath)) : []);
    }

    /// <summary>What a handshake needs to know.</summary>
    internal SslServerAuthenticationOptions Options() => new()
    {
        ServerCertificateContext = _certificate,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        AllowRenegotiation = false,
        ClientCertificateRequired = VerifiesClients,
        CertificateChainPolicy = ChainPolicy(),
        RemoteCertificateValidationCallback = (_, _, _, errors) => !VerifiesClients || errors == SslPolicyErrors.None,
    };

    // Authorities of the operating system say nothing about who may use this server.
    private X509ChainPolicy ChainPolicy()
    {
        X509ChainPolicy policy = new()
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(_authorities);
        return policy;
    }

    private static T Load<T>(string path, Func<T> load)
    {
        try { return load(); }
        catch (Exception fault) when (fault is CryptographicException or UnauthorizedAccessException)
        {
            throw new IOException($"{path}: {fault.Message}", fault);
        }
    }

    private static X509Certificate2Collection ImportPem(string path)
    {
        X509Certificate2Collection certificates = [];
        certificates.ImportFromPemFile(path);
        return certificates.Count > 0 ? certificates : throw new IOException($"{path}: there is no certificate in it");
    }
}
