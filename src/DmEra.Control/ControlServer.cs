using DmEra.Serving.Configuration;
using DmEra.Serving.Hosting;
using DmEra.Serving.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;

namespace DmEra.Control;

/// <summary>The control plane of served devices: HTTP on a Unix socket (docs/control-api.md).</summary>
public sealed class ControlServer : IAsyncDisposable
{
    private const int LongestRequestBytes = 64 << 10;

    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(5);

    private readonly WebApplication _application;

    private ControlServer(WebApplication application) => _application = application;

    /// <summary>Serves requests that come in at a socket.</summary>
    /// <param name="host">What they are about.</param>
    /// <param name="listener">Where they come in.</param>
    /// <param name="log">Is told, a line each, of faults that cannot be answered.</param>
    /// <param name="reload">Reads the host's configuration anew; null when it follows none.</param>
    public static async Task<ControlServer> StartAsync(
        DeviceHost host, UnixListener listener, Action<string> log, Func<LoadReport>? reload = null)
    {
        // Empty: neither settings files of the current folder, nor the environment, nor signal handlers.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddRoutingCore();
        builder.Services.Configure<SocketTransportOptions>(
            transport => transport.CreateBoundListenSocket = _ => listener.Socket);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            Configure(kestrel);
            kestrel.ListenUnixSocket(listener.Path, endpoint => endpoint.Protocols = HttpProtocols.Http1);
        });
        WebApplication application = builder.Build();
        ControlEndpoints.Map(application, host, reload, log);
        await application.StartAsync();
        return new ControlServer(application);
    }

    internal static void Configure(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = LongestRequestBytes;
        kestrel.Limits.MinResponseDataRate = null;  // who reads a list of changes page by page may take his time
        kestrel.AllowSynchronousIO = true;          // lists of changed blocks are worked out while they are sent
    }

    /// <summary>Answers what has been asked, within limits, and stops listening.</summary>
    public async ValueTask DisposeAsync()
    {
        using CancellationTokenSource limit = new(StopLimit);
        await _application.StopAsync(limit.Token);
        await _application.DisposeAsync();
    }
}
