using DmEra.Tests;

namespace DmEra.EndToEnd;

/// <summary>A certificate authority, a server called localhost and a client, made by GnuTLS.</summary>
internal static class Certificates
{
    private const string Script =
        """
        mkdir "$1"; cd "$1"
        key() { certtool --generate-privkey --bits 2048 --outfile "$1-key.pem" 2>/dev/null; }
        sign() {
            key "$1"
            printf 'cn = %s\ndns_name = localhost\nexpiration_days = 10\nsigning_key\ntls_www_%s\n' "$1" "$1" >"$1.info"
            certtool --generate-certificate --load-ca-certificate ca-cert.pem --load-ca-privkey ca-key.pem \
                --load-privkey "$1-key.pem" --template "$1.info" --outfile "$1-cert.pem" 2>/dev/null
        }
        key ca
        printf 'cn = authority\nca\ncert_signing_key\nexpiration_days = 10\n' >ca.info
        certtool --generate-self-signed --load-privkey ca-key.pem --template ca.info --outfile ca-cert.pem 2>/dev/null
        sign server
        sign client
        """;

    /// <summary>Makes a folder with the PEM files of all three.</summary>
    public static string Make(string folder)
    {
        Oracle.Find("certtool");
        Oracle.Run("sh", "-ec", Script, "sh", folder).AssertSuccess();
        return folder;
    }
}
