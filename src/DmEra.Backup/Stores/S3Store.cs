using System.Net;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Amazon.Runtime;
using Amazon.S3.Model;

namespace DmEra.Backup.Stores;

/// <summary>
/// Objects in a bucket of Amazon S3 or of a server that speaks its protocol. With its helpers the only type that touches the
/// client library, so that nothing of it is loaded for a folder.
/// </summary>
internal sealed class S3Store : IObjectStore
{
    public const int FirstPauseMs = 250;

    private const string AlwaysExists = "*";
    private static readonly TimeSpan WithdrawLimit = TimeSpan.FromSeconds(10);

    private readonly S3Client _client;
    private readonly S3Requests _requests;
    private readonly string _bucket;
    private readonly string _prefix;

    /// <summary>Takes a bucket. No request is sent yet.</summary>
    /// <param name="address">What the user calls it.</param>
    /// <param name="endpoint">The server; null for Amazon's, or the one that AWS_ENDPOINT_URL names.</param>
    /// <param name="bucket">The bucket, which must exist.</param>
    /// <param name="prefix">What the names of all objects begin with: empty, or ending in a slash.</param>
    /// <param name="firstPauseMs">How long to wait before a request is tried again; longer each time.</param>
    /// <param name="stop">Ends requests and the pauses between them.</param>
    /// <exception cref="RepositoryException">It is not known where the server is.</exception>
    public S3Store(
        string address, Uri? endpoint, string bucket, string prefix, int firstPauseMs, CancellationToken stop)
    {
        Address = address;
        _bucket = bucket;
        _prefix = prefix;
        _client = S3Client.Create(address, endpoint);
        _requests = new S3Requests(address, _client, firstPauseMs, stop);
    }

    /// <inheritdoc/>
    public string Address { get; }

    /// <inheritdoc/>
    public int Parallelism => 3;

    /// <inheritdoc/>
    public void Put(string name, ReadOnlyMemory<byte> content) => Upload(name, content, unlessMatches: null);

    /// <inheritdoc/>
    /// <remarks>There are servers that know nothing of the condition, and take the request all the same, or say that they do not: so
    /// it is asked first what there is. On those, of two that do this within the same moment the later one wins.</remarks>
    public bool TryCreate(string name, ReadOnlyMemory<byte> content)
    {
        if (List(name).Any(found => found.Name.Equals(name, StringComparison.Ordinal))) return Holds(name, content.Span);
        try
        {
            Upload(name, content, AlwaysExists);
            return true;
        }
        catch (RepositoryException fault) when (StatusOf(fault) is HttpStatusCode.PreconditionFailed)
        {
            // Perhaps by this very request, whose reply was lost.
            return Holds(name, content.Span);
        }
        catch (RepositoryException fault) when (StatusOf(fault) is HttpStatusCode.NotImplemented)
        {
            Put(name, content);
            return true;
        }
    }

    /// <inheritdoc/>
    public int Read(string name, long offset, Span<byte> buffer)
    {
        if (buffer.IsEmpty) return 0;
        try
        {
            return _requests.Persist("read", name, "s3:GetObject", buffer.Length, buffer, (part, end) => Fetch(name, offset, part, end));
        }
        catch (RepositoryException fault) when (fault.InnerException is AmazonServiceException answer)
        {
            if (answer.StatusCode == HttpStatusCode.NotFound && answer.ErrorCode is not "NoSuchBucket")
                throw new ObjectMissingException(Address, name);
            if (answer.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable) return 0;
            throw;
        }
    }

    /// <inheritdoc/>
    public IEnumerable<StoredObject> List(string prefix)
    {
        string start = _prefix + prefix;
        string what = prefix.Length == 0 ? "objects" : prefix;
        string last = "";
        ListObjectsV2Request request = new() { BucketName = _bucket, Prefix = start };
        HashSet<string> seen = new(StringComparer.Ordinal);
        while (true)
        {
            ListObjectsV2Response page = _requests.Persist(
                "list", what, "s3:ListBucket", 0, request, (next, end) => _client.ListObjectsV2Async(next, end).GetAwaiter().GetResult());
            foreach (S3Object found in page.S3Objects ?? [])
            {
                if (!found.Key.StartsWith(start, StringComparison.Ordinal)) continue;
                last = found.Key;
                yield return new StoredObject(
                    found.Key[_prefix.Length..], found.Size ?? 0, found.LastModified ?? DateTimeOffset.MinValue);
            }

            if (page.IsTruncated is not true) yield break;
            // Some servers give no token: they go on behind a name. What was asked for once has been answered.
            request.ContinuationToken = NonEmpty(page.NextContinuationToken);
            request.StartAfter = request.ContinuationToken is null ? last : null;
            if (!seen.Add(request.ContinuationToken ?? $"/{last}"))
                throw new RepositoryException($"{Address}: cannot list {what}: the server cuts its list short and does not go on with it");
        }
    }

    /// <inheritdoc/>
    public void Delete(params IEnumerable<string> names)
    {
        foreach (string name in names) Delete(name, _requests);
    }

    /// <inheritdoc/>
    public void Withdraw(string name)
    {
        using CancellationTokenSource limit = new(WithdrawLimit);
        try
        {
            // Even when told to stop: others would wait for it.
            Delete(name, _requests.Until(limit.Token));
        }
        catch (OperationCanceledException fault)
        {
            throw new RepositoryException($"{Address}: cannot delete {name}: no answer within {WithdrawLimit.TotalSeconds:F0} s", fault);
        }
    }

    /// <inheritdoc/>
    /// <remarks>An object is written in one request: it is whole, or not there.</remarks>
    public void RemoveUnfinished(DateTimeOffset before)
    {
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    private void Delete(string name, S3Requests requests) => Change(() => requests.Persist(
        "delete", name, "s3:DeleteObject", 0, _prefix + name,
        (key, end) => _client.DeleteObjectAsync(_bucket, key, end).GetAwaiter().GetResult().HttpStatusCode));

    private void Upload(string name, ReadOnlyMemory<byte> content, string? unlessMatches) => Change(() => _requests.Persist(
        "write", name, "s3:PutObject", content.Length, content, (bytes, end) => Send(name, bytes, unlessMatches, end)));

    private static void Change(Action request)
    {
        try
        {
            request();
        }
        catch (RepositoryException fault) when (fault.InnerException is AmazonServiceException answer && S3Requests.IsDenied(answer))
        {
            throw new StoreNotWritableException(fault.Message, answer);
        }
    }

    private HttpStatusCode Send(string name, ReadOnlyMemory<byte> content, string? unlessMatches, CancellationToken end)
    {
        if (!MemoryMarshal.TryGetArray(content, out ArraySegment<byte> segment)) segment = content.ToArray();
        using MemoryStream body = new(segment.Array!, segment.Offset, segment.Count, writable: false);
        // In one piece and signed with its SHA-256: the server refuses what the network has changed. A bucket whose objects are
        // locked wants a checksum in a header besides, and MD5 is known to every server.
        PutObjectRequest request = new()
        {
            BucketName = _bucket,
            Key = _prefix + name,
            InputStream = body,
            AutoCloseStream = false,
            UseChunkEncoding = false,
            DisablePayloadSigning = false,
            IfNoneMatch = unlessMatches,
        };
        AddChecksum(request, content.Span, Md5);
        return _client.PutObjectAsync(request, end).GetAwaiter().GetResult().HttpStatusCode;
    }

    private int Fetch(string name, long offset, Span<byte> part, CancellationToken end)
    {
        GetObjectRequest request = new()
        {
            BucketName = _bucket,
            Key = _prefix + name,
            ByteRange = new ByteRange(offset, offset + part.Length - 1),
        };
        using GetObjectResponse response = _client.GetObjectAsync(request, end).GetAwaiter().GetResult();
        if (offset > 0 && response.HttpStatusCode != HttpStatusCode.PartialContent)
            throw new RepositoryException($"{Address}: cannot read {name}: the server does not know the Range of a request");
        // Reading what comes behind the headers is ended by nothing else.
        using CancellationTokenRegistration close = end.Register(response.Dispose);
        int count = response.ResponseStream.ReadAtLeast(part, part.Length, throwOnEndOfStream: false);
        // Some do not say how long it is.
        if (count < Math.Min(response.ContentLength, part.Length)) throw new EndOfStreamException("the reply was cut short");
        return count;
    }

    private bool Holds(string name, ReadOnlySpan<byte> content)
    {
        byte[] there = new byte[content.Length + 1];
        return Read(name, 0, there) == content.Length && content.SequenceEqual(there.AsSpan(0, content.Length));
    }

    /// <summary>Adds a checksum of its content to a request: MD5; where the machine may not compute that, as one that keeps to FIPS 140,
    /// SHA-256, which is younger.</summary>
    /// <param name="request">The request.</param>
    /// <param name="content">Its content.</param>
    /// <param name="md5">Computes MD5.</param>
    internal static void AddChecksum(PutObjectRequest request, ReadOnlySpan<byte> content, Func<ReadOnlySpan<byte>, byte[]> md5)
    {
        try { request.MD5Digest = Convert.ToBase64String(md5(content)); }
        catch (Exception refusal) when (refusal is CryptographicException or PlatformNotSupportedException)
        {
            request.ChecksumSHA256 = Convert.ToBase64String(SHA256.HashData(content));
        }
    }

#pragma warning disable CA5351 // Finds what a network has broken; that nobody has forged anything is what SHA-256 is for.
    private static byte[] Md5(ReadOnlySpan<byte> content) => MD5.HashData(content);
#pragma warning restore CA5351

    private static HttpStatusCode? StatusOf(RepositoryException fault) => (fault.InnerException as AmazonServiceException)?.StatusCode;

    private static string? NonEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
