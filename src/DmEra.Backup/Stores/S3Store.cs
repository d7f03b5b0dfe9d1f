using System.Net;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;

namespace DmEra.Backup.Stores;

/// <summary>
/// Objects in a bucket of Amazon S3 or of a server that speaks its protocol. The only type that touches the client
/// library, so that nothing of it is loaded for a folder.
/// </summary>
/// <remarks>The library is asynchronous only; its calls are waited for on the thread of whoever asks.</remarks>
internal sealed class S3Store : IObjectStore
{
    public const int FirstPauseMs = 250;

    private const int Attempts = 8;             // with the pauses between them: about half a minute
    private const int Connections = 16;
    private const string DefaultRegion = "us-east-1";
    private static readonly TimeSpan RequestTimeLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan WithdrawTimeLimit = TimeSpan.FromSeconds(10);

    private readonly AmazonS3Client _client;
    private readonly string _bucket;
    private readonly string _prefix;
    private readonly int _firstPauseMs;
    private readonly CancellationToken _stop;

    /// <summary>Takes a bucket. No request is sent yet.</summary>
    /// <param name="address">What the user calls it.</param>
    /// <param name="endpoint">The server; null for Amazon's, or the one that AWS_ENDPOINT_URL names.</param>
    /// <param name="bucket">The bucket, which must exist.</param>
    /// <param name="prefix">What the names of all objects begin with: empty, or ending in a slash.</param>
    /// <param name="firstPauseMs">How long to wait before a request is tried again; longer each time.</param>
    /// <param name="stop">Ends requests and the pauses between them.</param>
    public S3Store(
        string address, Uri? endpoint, string bucket, string prefix, int firstPauseMs, CancellationToken stop)
    {
        Address = address;
        _bucket = bucket;
        _prefix = prefix;
        _firstPauseMs = firstPauseMs;
        _stop = stop;
        try
        {
            _client = new AmazonS3Client(Configuration(endpoint));
        }
        catch (AmazonClientException fault)
        {
            throw new RepositoryException($"{address}: {fault.Message}", fault);
        }
    }

    /// <inheritdoc/>
    public string Address { get; }

    /// <inheritdoc/>
    public int Parallelism => 3;

    /// <inheritdoc/>
    public void Put(string name, ReadOnlyMemory<byte> content) => Upload(name, content, unlessMatches: null);

    /// <inheritdoc/>
    public bool TryCreate(string name, ReadOnlyMemory<byte> content)
    {
        try
        {
            Upload(name, content, unlessMatches: "*");
            return true;
        }
        catch (RepositoryException fault) when (fault.InnerException is AmazonServiceException { StatusCode: HttpStatusCode.PreconditionFailed })
        {
            // Perhaps by this very request, whose reply was lost.
            byte[] there = new byte[content.Length + 1];
            return Read(name, 0, there) == content.Length && content.Span.SequenceEqual(there.AsSpan(0, content.Length));
        }
    }

    /// <inheritdoc/>
    public int Read(string name, long offset, Span<byte> buffer)
    {
        if (buffer.IsEmpty) return 0;
        try
        {
            return Persist($"read {name}", buffer, part =>
            {
                GetObjectRequest request = new()
                {
                    BucketName = _bucket,
                    Key = _prefix + name,
                    ByteRange = new ByteRange(offset, offset + part.Length - 1),
                };
                using GetObjectResponse response = _client.GetObjectAsync(request, _stop).GetAwaiter().GetResult();
                int expected = (int)Math.Min(response.ContentLength, part.Length);
                response.ResponseStream.ReadExactly(part[..expected]);
                return expected;
            });
        }
        catch (RepositoryException fault) when (fault.InnerException is AmazonServiceException answer)
        {
            if (answer.StatusCode == HttpStatusCode.NotFound) throw new ObjectMissingException(Address, name);
            if (answer.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable) return 0;
            throw;
        }
    }

    /// <inheritdoc/>
    public IEnumerable<StoredObject> List(string prefix)
    {
        ListObjectsV2Request request = new() { BucketName = _bucket, Prefix = _prefix + prefix };
        ListObjectsV2Response page;
        do
        {
            page = Persist(
                $"list {prefix}", request, next => _client.ListObjectsV2Async(next, _stop).GetAwaiter().GetResult());
            foreach (S3Object found in page.S3Objects ?? [])
            {
                yield return new StoredObject(
                    found.Key[_prefix.Length..], found.Size ?? 0, found.LastModified ?? DateTimeOffset.MinValue);
            }

            request.ContinuationToken = page.NextContinuationToken;
        }
        while (page.IsTruncated ?? false);
    }

    /// <inheritdoc/>
    public void Delete(params IEnumerable<string> names)
    {
        foreach (string name in names)
        {
            Persist(
                $"delete {name}", _prefix + name,
                key => _client.DeleteObjectAsync(_bucket, key, _stop).GetAwaiter().GetResult().HttpStatusCode);
        }
    }

    /// <inheritdoc/>
    public void Withdraw(string name)
    {
        using CancellationTokenSource limit = new(WithdrawTimeLimit);
        try
        {
            _client.DeleteObjectAsync(_bucket, _prefix + name, limit.Token).GetAwaiter().GetResult();
        }
        catch (Exception fault) when (IsFault(fault) || fault is OperationCanceledException)
        {
            throw new RepositoryException($"{Address}: cannot delete {name}: {fault.GetBaseException().Message.TrimEnd('.')}", fault);
        }
    }

    /// <inheritdoc/>
    /// <remarks>An object is written in one request: it is whole, or not there.</remarks>
    public void RemoveUnfinished(DateTimeOffset before)
    {
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    private void Upload(string name, ReadOnlyMemory<byte> content, string? unlessMatches)
    {
        try
        {
            Persist($"write {name}", content, bytes => Send(name, bytes, unlessMatches));
        }
        catch (RepositoryException fault) when (fault.InnerException is AmazonServiceException { StatusCode: HttpStatusCode.Forbidden })
        {
            throw new StoreNotWritableException(fault.Message, fault.InnerException);
        }
    }

    private HttpStatusCode Send(string name, ReadOnlyMemory<byte> content, string? unlessMatches)
    {
        if (!MemoryMarshal.TryGetArray(content, out ArraySegment<byte> segment)) segment = content.ToArray();
        using MemoryStream body = new(segment.Array!, segment.Offset, segment.Count, writable: false);
        // In one piece and signed with its checksum: the server refuses what the network has changed.
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
        return _client.PutObjectAsync(request, _stop).GetAwaiter().GetResult().HttpStatusCode;
    }

    private static AmazonS3Config Configuration(Uri? endpoint)
    {
        AmazonS3Config configuration = new()
        {
            MaxErrorRetry = 0,      // Persist does it, for the body of a reply as well
            Timeout = RequestTimeLimit,
            MaxConnectionsPerServer = Connections,
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        };
        if (endpoint is not null)
        {
            configuration.ServiceURL = endpoint.ToString();
            configuration.AuthenticationRegion ??= DefaultRegion;
        }

        // Names of buckets as parts of host names are what Amazon wants and others seldom have.
        configuration.ForcePathStyle = configuration.ServiceURL is not null;
        configuration.EndpointProvider = new OneEndpoint(configuration.EndpointProvider);
        return configuration;
    }

    /// <summary>Runs a request until it succeeds, fails for good, or has failed too often.</summary>
    private TResult Persist<TArgument, TResult>(string what, TArgument argument, Func<TArgument, TResult> request)
        where TArgument : allows ref struct
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return request(argument);
            }
            catch (Exception fault) when (attempt < Attempts && IsTransient(fault))
            {
                int pauseMs = _firstPauseMs << Math.Min(attempt - 1, 5);
                // Half of the pause is random, so that many clients do not come back at the same moment.
                _stop.WaitHandle.WaitOne((pauseMs / 2) + RandomNumberGenerator.GetInt32((pauseMs / 2) + 1));
                _stop.ThrowIfCancellationRequested();
            }
            catch (Exception fault) when (IsFault(fault))
            {
                // The server's words if it said anything, else what happened on the way.
                Exception cause = fault is AmazonServiceException { StatusCode: not default(HttpStatusCode) } ? fault : fault.GetBaseException();
                string reason = cause.Message.TrimEnd('.');
                string tried = attempt > 1 ? $" ({attempt} attempts)" : "";
                throw new RepositoryException($"{Address}: cannot {what}: {reason}{tried}", fault);
            }
        }
    }

    private bool IsTransient(Exception fault) => IsFault(fault) && fault switch
    {
        // 0: no reply at all.
        AmazonServiceException answer => (int)answer.StatusCode is 0 or >= 500
            || answer.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout,
        AmazonClientException client => client.InnerException is HttpRequestException or IOException,
        _ => true,
    };

    // A request that ran out of time is a fault; one that the user ended is not.
    private bool IsFault(Exception fault) =>
        fault is AmazonServiceException or AmazonClientException or HttpRequestException or IOException
            or TimeoutException
        || (fault is OperationCanceledException && !_stop.IsCancellationRequested);
}
