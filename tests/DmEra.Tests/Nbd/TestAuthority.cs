using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace DmEra.Tests.Nbd;

/// <summary>A certificate authority, and folders of PEM files as servers and clients of NBD want them.</summary>
internal sealed class TestAuthority : IDisposable
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";
    private const string ClientUse = "1.3.6.1.5.5.7.3.2";

    private static readonly DateTimeOffset From = new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset Until = new(2090, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _certificate;

    public TestAuthority()
    {
        CertificateRequest request = new("CN=test authority", _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        _certificate = request.CreateSelfSigned(From, Until);
    }

    /// <summary>Fills a folder for a server called localhost.</summary>
    public string WriteServer(string folder) => Write(folder, "server", ServerUse, Until);

    /// <summary>Fills a folder for a server whose certificate is not valid any more.</summary>
    public string WriteExpiredServer(string folder) => Write(folder, "server", ServerUse, From.AddYears(1));

    /// <summary>Fills a folder for a client.</summary>
    public string WriteClient(string folder) => Write(folder, "client", ClientUse, Until);

    /// <summary>Fills a folder for a client whose certificate is not valid any more.</summary>
    public string WriteExpiredClient(string folder) => Write(folder, "client", ClientUse, From.AddYears(1));

    /// <summary>Fills a folder for a client who has nothing but the authority's certificate.</summary>
    public string WriteAnonymousClient(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "ca-cert.pem"), _certificate.ExportCertificatePem());
        return folder;
    }

    public void Dispose()
    {
        _certificate.Dispose();
        _key.Dispose();
    }

    private string Write(string folder, string role, string use, DateTimeOffset until)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new($"CN=test {role}", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(use)], false));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        byte[] serial = RandomNumberGenerator.GetBytes(8);
        using X509Certificate2 certificate = request.Create(_certificate, From, until, serial);

        WriteAnonymousClient(folder);
        File.WriteAllText(Path.Combine(folder, $"{role}-cert.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(folder, $"{role}-key.pem"), key.ExportPkcs8PrivateKeyPem());
        return folder;
    }
}
