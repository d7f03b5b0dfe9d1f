using Amazon;
using Amazon.Runtime;
using Amazon.Runtime.CredentialManagement;
using Amazon.Runtime.Internal;
using Amazon.S3;

namespace DmEra.Backup.Stores;

/// <summary>The client library, set up by what the environment and the profile say, as every AWS program does it.</summary>
/// <remarks>Requests are tried again by <see cref="S3Requests"/>, which does so for the body of a reply as well. The library itself
/// does it for one reason only: it can set its clock right by the server's, and sign anew.</remarks>
internal sealed class S3Client : AmazonS3Client
{
    private const int Connections = 16;
    private const string DefaultRegion = "us-east-1";   // what servers but Amazon's are content with

    private readonly OneEndpoint _endpoint;

    private S3Client(AmazonS3Config configuration)
        : base(configuration) => _endpoint = (OneEndpoint)configuration.EndpointProvider;

    /// <summary>The server, once a request has been sent; null before.</summary>
    public string? Host => _endpoint.Host;

    /// <summary>Sets the library up. Nothing is sent yet.</summary>
    /// <param name="address">What the user calls the repository.</param>
    /// <param name="endpoint">The server; null for the one that AWS_ENDPOINT_URL or the profile names, else Amazon's.</param>
    /// <exception cref="RepositoryException">It is not known where Amazon's server is.</exception>
    public static S3Client Create(string address, Uri? endpoint)
    {
        try
        {
            return new S3Client(Configuration(address, endpoint));
        }
        catch (AmazonClientException fault)
        {
            throw new RepositoryException($"{address}: {fault.Message.ReplaceLineEndings(" ")}", fault);
        }
    }

    /// <inheritdoc/>
    protected override void CustomizeRuntimePipeline(RuntimePipeline pipeline)
    {
        base.CustomizeRuntimePipeline(pipeline);
        pipeline.ReplaceHandler<RetryHandler>(new RetryHandler(new ClockOnly()));
    }

    private static AmazonS3Config Configuration(string address, Uri? endpoint)
    {
        AmazonS3Config configuration = new()
        {
            Timeout = System.Threading.Timeout.InfiniteTimeSpan,    // that of S3Requests grows with what is sent
            MaxConnectionsPerServer = Connections,
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        };
        // What it has read of the environment or the profile is used for the address of a request only if it was set.
        string? server = endpoint?.ToString() ?? NonEmpty(configuration.ServiceURL);
        string? region = Region();
        if (server is not null)
        {
            if (!Uri.TryCreate(server, UriKind.Absolute, out Uri? url) || url.Scheme is not ("http" or "https"))
                throw new RepositoryException($"{address}: AWS_ENDPOINT_URL or the profile says '{server}'; it must be like https://HOST");
            configuration.ServiceURL = server;
            configuration.AuthenticationRegion = region ?? DefaultRegion;
        }
        else
        {
            region ??= configuration.RegionEndpoint?.SystemName ?? throw new RepositoryException(
                $"{address}: there is no region for Amazon S3; set AWS_REGION, or AWS_ENDPOINT_URL for another server");
            configuration.RegionEndpoint = RegionEndpoint.GetBySystemName(region);
        }

        // Names of buckets as parts of host names are what Amazon wants and others seldom have.
        configuration.ForcePathStyle = server is not null;
        configuration.EndpointProvider = new OneEndpoint(configuration.EndpointProvider);
        return configuration;
    }

    // Without the network, where the library looks in the end: it may be that of a machine of Amazon's.
    private static string? Region() =>
        NonEmpty(Environment.GetEnvironmentVariable("AWS_REGION"))
        ?? NonEmpty(Environment.GetEnvironmentVariable("AWS_DEFAULT_REGION"))
        ?? ProfileRegion();

    private static string? ProfileRegion()
    {
        string profile = NonEmpty(Environment.GetEnvironmentVariable("AWS_PROFILE")) ?? "default";
        return new CredentialProfileStoreChain().TryGetProfile(profile, out CredentialProfile found) ? found.Region?.SystemName : null;
    }

    private static string? NonEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;

    /// <summary>Sends a request again if the clocks differ, and for no other reason.</summary>
    private sealed class ClockOnly : RetryPolicy
    {
        public ClockOnly() => MaxRetries = 1;

        public override bool CanRetry(IExecutionContext executionContext) => true;

        public override bool RetryForException(IExecutionContext executionContext, Exception exception) => false;

        public override Task<bool> RetryForExceptionAsync(IExecutionContext executionContext, Exception exception) => Task.FromResult(false);

        public override bool RetryLimitReached(IExecutionContext executionContext) =>
            executionContext.RequestContext.Retries >= MaxRetries;

        public override void WaitBeforeRetry(IExecutionContext executionContext)
        {
        }

        public override Task WaitBeforeRetryAsync(IExecutionContext executionContext) => Task.CompletedTask;
    }
}
