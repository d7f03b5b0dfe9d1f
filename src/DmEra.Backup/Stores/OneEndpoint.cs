using Amazon.Runtime.Endpoints;

namespace DmEra.Backup.Stores;

/// <summary>Where the requests of a client go that uses a single bucket: worked out once.</summary>
/// <remarks>The library would do it for every request, although neither key nor operation matters; and the method that does it
/// is so large that compiling it for speed takes 17 MiB of memory.</remarks>
/// <param name="provider">Works it out.</param>
internal sealed class OneEndpoint(IEndpointProvider provider) : IEndpointProvider
{
    private volatile Endpoint? _endpoint;

    /// <summary>The host, and its port if that is a special one; null as long as it is not worked out.</summary>
    public string? Host => _endpoint is { } endpoint ? new Uri(endpoint.URL).Authority : null;

    /// <inheritdoc/>
    public Endpoint ResolveEndpoint(EndpointParameters parameters) => _endpoint ??= provider.ResolveEndpoint(parameters);
}
