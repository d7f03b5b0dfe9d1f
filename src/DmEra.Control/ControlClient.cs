using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using DmEra.Serving;
using DmEra.Serving.Configuration;
using DmEra.Serving.Hosting;
using DmEra.Serving.Sockets;
using DmEra.Target.Chronicles;
using DmEra.Target.History;
using DmEra.Target.Tracking;

namespace DmEra.Control;

/// <summary>The control plane of a served device, or of the process that serves it, as commands see it. Every fault is a
/// <see cref="ControlException"/> with the server's own words.</summary>
public sealed class ControlClient : IDisposable
{
    private const string Root = "http://localhost/v1";
    private const string All = $"{Root}/devices";

    private readonly string _socketPath;
    private readonly string _device;
    private readonly HttpClient _http;

    /// <summary>Prepares for requests to a control socket.</summary>
    /// <param name="socketPath">Path of the socket.</param>
    /// <param name="device">The name of the device that is meant; null: the only one there.</param>
    public ControlClient(string socketPath, string? device = null)
    {
        _socketPath = socketPath;
        _device = device is null ? $"{Root}/device" : UrlOf(device);
        SocketsHttpHandler handler = new()
        {
            UseProxy = false,
            ConnectCallback = async (_, cancellation) =>
                new NetworkStream(await ConnectAsync(socketPath, cancellation), ownsSocket: true),
        };
        // A checkpoint takes as long as the slowest write.
        _http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>What all devices of the process are and do.</summary>
    public async Task<IReadOnlyList<DeviceDescription>> ListAsync(CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendToAsync(HttpMethod.Get, All, null, cancellation);
        return await ReadAsync(response, ControlJson.Context.IReadOnlyListDeviceDescription, cancellation);
    }

    /// <summary>Takes a device into service.</summary>
    public async Task<DeviceDescription> AttachAsync(DeviceRequest device, CancellationToken cancellation)
    {
        using JsonContent content = JsonContent.Create(device, ControlJson.Context.DeviceRequest);
        using HttpResponseMessage response = await SendToAsync(HttpMethod.Post, All, content, cancellation);
        return await ReadAsync(response, ControlJson.Context.DeviceDescription, cancellation);
    }

    /// <summary>Takes a device out of service; completes when it can be served again.</summary>
    /// <param name="name">The device.</param>
    /// <param name="force">Whether the connections of clients may be ended for it.</param>
    /// <param name="cancellation">Gives up.</param>
    public async Task DetachAsync(string name, bool force, CancellationToken cancellation) =>
        (await SendToAsync(HttpMethod.Delete, $"{UrlOf(name)}?force={(force ? "true" : "false")}", null, cancellation)).Dispose();

    /// <summary>Has the process read its configuration anew.</summary>
    public async Task<LoadReport> ReloadAsync(CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendToAsync(HttpMethod.Post, $"{Root}/reload", null, cancellation);
        return await ReadAsync(response, ControlJson.Context.LoadReport, cancellation);
    }

    /// <summary>What the device is and does.</summary>
    public async Task<DeviceDescription> DescribeAsync(CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(HttpMethod.Get, "", null, cancellation);
        return await ReadAsync(response, ControlJson.Context.DeviceDescription, cancellation);
    }

    /// <summary>Starts a new era.</summary>
    public async Task<EraBeginning> CheckpointAsync(CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(HttpMethod.Post, "/checkpoint", null, cancellation);
        return await ReadAsync(response, ControlJson.Context.EraBeginning, cancellation);
    }

    /// <summary>Finds the era that somebody means.</summary>
    /// <param name="name">Its number, which need not have begun; <c>ERA:MARK</c>; or a label.</param>
    /// <param name="cancellation">Gives up.</param>
    public async Task<EraBeginning> FindEraAsync(string name, CancellationToken cancellation)
    {
        string path = $"/era?name={Uri.EscapeDataString(name)}";
        using HttpResponseMessage response = await SendAsync(HttpMethod.Get, path, null, cancellation);
        return await ReadAsync(response, ControlJson.Context.EraBeginning, cancellation);
    }

    /// <summary>Sends a message as the kernel's target takes it.</summary>
    public Task MessageAsync(string message, CancellationToken cancellation) =>
        PostAsync("/messages", JsonContent.Create(new MessageRequest(message), ControlJson.Context.MessageRequest), cancellation);

    /// <summary>Lets requests wait, and archives the era.</summary>
    public Task SuspendAsync(CancellationToken cancellation) => PostAsync("/suspend", null, cancellation);

    /// <summary>As <see cref="SuspendAsync"/>, but the device goes on when the pause ends, is disposed of, or when this process
    /// ends.</summary>
    public async Task<ControlPause> PauseAsync(CancellationToken cancellation)
    {
        HttpResponseMessage held = await SendAsync(HttpMethod.Post, "/pause", null, cancellation);
        try
        {
            PauseReply reply = await ReadFirstAsync(held, cancellation);
            return new ControlPause(held, reply, end => DeleteAsync($"/pause/{reply.Id}", end));
        }
        catch (Exception fault) when (fault is JsonException or HttpRequestException or IOException)
        {
            held.Dispose();
            throw new ControlException($"{_socketPath}: not understood: {fault.Message}", fault);
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    /// <summary>Starts a new era and lets requests in.</summary>
    public Task ResumeAsync(CancellationToken cancellation) => PostAsync("/resume", null, cancellation);

    /// <summary>Changes the size, in bytes.</summary>
    public Task ResizeAsync(long size, CancellationToken cancellation) =>
        PostAsync("/resize", JsonContent.Create(new ResizeRequest(size), ControlJson.Context.ResizeRequest), cancellation);

    /// <summary>Ends the service; completes when the device can be served again.</summary>
    public Task StopAsync(CancellationToken cancellation) => PostAsync("/stop", null, cancellation);

    /// <summary>Copies the list of the blocks written in an era or later.</summary>
    /// <param name="since">The era: its number, <c>ERA:MARK</c>, or a label.</param>
    /// <param name="format">How it is written.</param>
    /// <param name="output">Where to.</param>
    /// <param name="cancellation">Gives up.</param>
    public async Task CopyChangesAsync(string since, ChangeListFormat format, Stream output, CancellationToken cancellation)
    {
        string path = $"/changed?since={Uri.EscapeDataString(since)}&format={format.ToString().ToLowerInvariant()}";
        using HttpResponseMessage response = await SendAsync(HttpMethod.Get, path, null, cancellation);
        using Stream list = await response.Content.ReadAsStreamAsync(cancellation);
        byte[] buffer = new byte[1 << 16];
        while (true)
        {
            int count;
            try { count = await list.ReadAsync(buffer, cancellation); }
            catch (Exception fault) when (fault is IOException or HttpRequestException)
            {
                throw new ControlException($"{_socketPath}: the list broke off and is incomplete; "
                    + "the server's messages say why", fault);
            }

            if (count == 0) return;
            await output.WriteAsync(buffer.AsMemory(0, count), cancellation);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async Task PostAsync(string path, HttpContent? content, CancellationToken cancellation) =>
        (await SendAsync(HttpMethod.Post, path, content, cancellation)).Dispose();

    // The body has no end as long as the pause lasts: it is read up to the end of the object in it.
    private static async Task<PauseReply> ReadFirstAsync(HttpResponseMessage held, CancellationToken cancellation)
    {
        StringBuilder text = new();
        StreamReader body = new(await held.Content.ReadAsStreamAsync(cancellation));
        while (await body.ReadLineAsync(cancellation) is string line)
        {
            text.AppendLine(line);
            if (line.StartsWith('}')) break;
        }

        return JsonSerializer.Deserialize(text.ToString(), ControlJson.Context.PauseReply) ?? throw new JsonException("null");
    }

    private async Task DeleteAsync(string path, CancellationToken cancellation) =>
        (await SendAsync(HttpMethod.Delete, path, null, cancellation)).Dispose();

    private static string UrlOf(string device) => $"{All}/{Uri.EscapeDataString(device)}";

    private Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content, CancellationToken cancellation) =>
        SendToAsync(method, _device + path, content, cancellation);

    private async Task<HttpResponseMessage> SendToAsync(
        HttpMethod method, string url, HttpContent? content, CancellationToken cancellation)
    {
        using HttpRequestMessage request = new(method, url) { Content = content };
        HttpResponseMessage response;
        try
        {
            response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
        }
        catch (HttpRequestException fault)
        {
            if (fault.InnerException is ServingException refusal) throw new ControlException(refusal.Message, refusal);
            throw Unreachable(fault);
        }

        if (response.IsSuccessStatusCode) return response;
        using (response)
        {
            throw new ControlException(response.Content.Headers.ContentType?.MediaType is "application/json"
                ? (await ReadAsync(response, ControlJson.Context.ErrorReply, cancellation)).Error
                : $"{_socketPath}: HTTP status {(int)response.StatusCode}; is this a control socket?");
        }
    }

    private async Task<T> ReadAsync<T>(HttpResponseMessage response, JsonTypeInfo<T> type, CancellationToken cancellation)
    {
        try
        {
            return await response.Content.ReadFromJsonAsync(type, cancellation) ?? throw new JsonException("null");
        }
        catch (Exception fault) when (fault is JsonException or HttpRequestException or IOException)
        {
            throw new ControlException($"{_socketPath}: not understood: {fault.Message}", fault);
        }
    }

    private ControlException Unreachable(HttpRequestException fault) => new(
        fault.InnerException switch
        {
            SocketException { SocketErrorCode: SocketError.ConnectionRefused } =>
                $"{_socketPath}: nobody serves there any more; start it again with 'era serve'",
            SocketException { SocketErrorCode: SocketError.AccessDenied } =>
                $"{_socketPath}: served by another user; run this as that user, or as root",
            SocketException cause => $"{_socketPath}: {cause.Message}",
            _ => $"{_socketPath}: the server broke off ({fault.Message})",
        },
        fault);

    private static async ValueTask<Socket> ConnectAsync(string path, CancellationToken cancellation)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
            SocketOwner.RequireTrusted(socket, path);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
