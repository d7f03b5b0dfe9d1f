using System.Runtime.CompilerServices;

namespace DmEra.Backup.Stores;

/// <summary>
/// Where a repository is, as people type it: a folder; <c>s3://BUCKET/PREFIX</c>, with credentials, region and
/// perhaps AWS_ENDPOINT_URL from the environment or profile as every AWS program reads them; or, with the server
/// in the address, <c>s3+https://HOST/BUCKET/PREFIX</c> (<c>s3+http://</c> without TLS). Bucket and prefix are what was
/// typed, to the letter: <c>#</c>, <c>?</c> and <c>%</c> mean nothing here.
/// </summary>
public static class RepositoryAddress
{
    private const string AmazonScheme = "s3";
    private const string ServerSchemePrefix = "s3+";
    private const string Forms = "a repository is a folder, s3://BUCKET/PREFIX or s3+https://HOST/BUCKET/PREFIX";

    /// <summary>Opens the store at an address. A folder need not exist; a bucket is not asked yet.</summary>
    /// <param name="address">The address.</param>
    /// <param name="stop">Ends requests that are waiting for a server.</param>
    /// <exception cref="RepositoryException">The address makes no sense, or it is not known where the server is.</exception>
    public static IObjectStore Open(string address, CancellationToken stop)
    {
        int colon = address.IndexOf("://", StringComparison.Ordinal);
        if (colon < 0 && File.Exists(address)) throw new RepositoryException($"{address}: a file; {Forms}");
        if (colon < 0) return new FolderStore(address);
        string scheme = address[..colon];
        string place = address[(colon + 3)..];
        if (scheme is AmazonScheme) return OpenBucket(address, server: null, place, stop);
        if (scheme is not ("s3+http" or "s3+https")) throw new RepositoryException($"{address}: {Forms}");
        (string host, string bucket) = Cut(place);
        Uri server = Server(address, $"{scheme[ServerSchemePrefix.Length..]}://{host}");
        return OpenBucket(address, server, bucket, stop);
    }

    private static Uri Server(string address, string url)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? server) || server.PathAndQuery is not "/" || server.Fragment.Length > 0)
            throw new RepositoryException($"{address}: not an address; {Forms}");
        return server.UserInfo.Length == 0
            ? server
            : throw new RepositoryException($"{address}: keys do not belong here; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    }

    private static S3Store OpenBucket(string address, Uri? server, string place, CancellationToken stop)
    {
        (string bucket, string rest) = Cut(place);
        string prefix = rest.Trim('/');
        if (bucket.Length == 0)
        {
            string form = server is null ? "s3://BUCKET/PREFIX" : "s3+https://HOST/BUCKET/PREFIX";
            throw new RepositoryException($"{address}: the bucket is missing; such an address is {form}");
        }

        // On their way they would be taken for steps to other folders, perhaps to another bucket.
        if (prefix.Split('/').Append(bucket).Any(part => part is "." or ".."))
            throw new RepositoryException($"{address}: '.' and '..' cannot be parts of such an address");
        return Create(address, server, bucket, prefix.Length == 0 ? "" : $"{prefix}/", stop);
    }

    private static (string First, string Behind) Cut(string place) =>
        place.Split('/', 2) is [string first, string rest] ? (first, rest) : (place, "");

    // A method of its own: compiling it is what loads the client library.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static S3Store Create(string address, Uri? server, string bucket, string prefix, CancellationToken stop) =>
        new(address, server, bucket, prefix, S3Store.FirstPauseMs, stop);
}
