using System.Runtime.CompilerServices;

namespace DmEra.Backup.Stores;

/// <summary>
/// Where a repository is, as people type it: a folder; <c>s3://BUCKET/PREFIX</c>, with credentials, region and
/// perhaps AWS_ENDPOINT_URL from the environment or profile as every AWS program reads them; or, with the server
/// in the address, <c>s3+https://HOST/BUCKET/PREFIX</c> (<c>s3+http://</c> without TLS).
/// </summary>
public static class RepositoryAddress
{
    private const string AmazonScheme = "s3";
    private const string ServerSchemePrefix = "s3+";

    /// <summary>Opens the store at an address. A folder need not exist; a bucket is not asked yet.</summary>
    /// <param name="address">The address.</param>
    /// <param name="stop">Ends requests that are waiting for a server.</param>
    /// <exception cref="RepositoryException">The address makes no sense, or there are no credentials.</exception>
    public static IObjectStore Open(string address, CancellationToken stop)
    {
        int colon = address.IndexOf("://", StringComparison.Ordinal);
        if (colon < 0 && File.Exists(address))
            throw new RepositoryException($"{address}: a file; a repository is a folder, s3://BUCKET/PREFIX or s3+https://HOST/BUCKET/PREFIX");
        if (colon < 0) return new FolderStore(address);
        string scheme = address[..colon];
        if (!Uri.TryCreate(address[(scheme.StartsWith(ServerSchemePrefix, StringComparison.Ordinal) ? 3 : 0)..],
            UriKind.Absolute, out Uri? uri))
        {
            throw new RepositoryException($"{address}: not an address");
        }

        string path = uri.AbsolutePath.Trim('/');
        if (scheme is AmazonScheme && uri.Host.Length == 0)
            throw new RepositoryException($"{address}: the bucket is missing; such an address is s3://BUCKET/PREFIX");
        if (scheme is AmazonScheme) return OpenBucket(address, null, uri.Host, path, stop);
        if (scheme is not ("s3+http" or "s3+https"))
        {
            throw new RepositoryException(
                $"{address}: a repository is a folder, s3://BUCKET/PREFIX or s3+https://HOST/BUCKET/PREFIX");
        }

        string[] parts = path.Split('/', 2);
        if (parts[0].Length == 0) throw new RepositoryException($"{address}: the bucket is missing behind the host");
        Uri server = new(uri.GetLeftPart(UriPartial.Authority));
        return OpenBucket(address, server, parts[0], parts.ElementAtOrDefault(1) ?? "", stop);
    }

    // A method of its own: compiling it is what loads the client library.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static S3Store OpenBucket(
        string address, Uri? endpoint, string bucket, string prefix, CancellationToken stop) =>
        new(address, endpoint, bucket, prefix.Length == 0 ? "" : prefix + "/", S3Store.FirstPauseMs, stop);
}
