using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using DmEra.Devices;
using DmEra.Serving;
using DmEra.Serving.Configuration;
using DmEra.Serving.Hosting;
using DmEra.Target.Chronicles;
using DmEra.Target.History;
using DmEra.Target.Mapping;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace DmEra.Control;

/// <summary>The resources under <c>/v1/devices</c>, one for each device, and <c>/v1/device</c>, which is the only one. Handlers block
/// their thread while the target works: few people ask at the same time.</summary>
internal sealed class ControlEndpoints
{
    private const string All = "/v1/devices";
    private const string Named = $"{All}/{{name}}";
    private const string Only = "/v1/device";

    private const string Reload = "/v1/reload";

    private readonly DeviceHost _host;
    private readonly PauseResource _pauses = new();
    private readonly CancellationToken _stopping;

    private ControlEndpoints(DeviceHost host, CancellationToken stopping)
    {
        _host = host;
        _stopping = stopping;
    }

    /// <summary>Adds the resources of a host's devices to a server.</summary>
    /// <param name="application">The server.</param>
    /// <param name="host">The devices.</param>
    /// <param name="reload">Reads the host's configuration anew; null when it follows none.</param>
    /// <param name="log">Is told, a line each, of faults that cannot be answered any more.</param>
    public static void Map(WebApplication application, DeviceHost host, Func<LoadReport>? reload, Action<string> log)
    {
        ControlEndpoints endpoints = new(host, application.Lifetime.ApplicationStopping);
        application.Use((context, next) => AnswerFaults(context, next, log));
        application.MapGet(All, endpoints.ListAsync);
        application.MapPost(All, endpoints.AttachAsync);
        application.MapDelete(Named, context => Do(context, () => host.Detach(
            (string)context.Request.RouteValues["name"]!, force: (string?)context.Request.Query["force"] is "true")));
        application.MapPost(Reload, context => ReplyAsync(
            context,
            reload?.Invoke() ?? throw new BadHttpRequestException("this process follows no configuration", StatusCodes.Status409Conflict),
            ControlJson.Context.LoadReport));
        endpoints.MapDevice(application, Only, _ => endpoints.OnlyDevice());
        endpoints.MapDevice(application, Named, context => endpoints.Find((string)context.Request.RouteValues["name"]!));
    }

    private void MapDevice(WebApplication application, string root, Func<HttpContext, ServedDevice> find)
    {
        application.MapGet(root, context => ReplyAsync(context, find(context).Describe(), ControlJson.Context.DeviceDescription));
        application.MapGet($"{root}/changed", context => SendChanges(context, find(context)));
        application.MapGet($"{root}/era", context =>
        {
            ServedDevice device = find(context);
            uint era = device.Eras.Find((string?)context.Request.Query["name"] ?? throw new BadHttpRequestException("give a name"));
            return ReplyAsync(context, new EraBeginning(era, device.Target.MarkOf(era)), ControlJson.Context.EraBeginning);
        });
        application.MapPost($"{root}/checkpoint", context =>
        {
            EraTarget target = find(context).Target;
            uint era = target.Checkpoint();
            return ReplyAsync(context, new EraBeginning(era, target.MarkOf(era)), ControlJson.Context.EraBeginning);
        });
        application.MapPost($"{root}/messages", async context =>
        {
            MessageRequest request = await ReadAsync(context, ControlJson.Context.MessageRequest);
            find(context).Target.Message(request.Message.Split(' ', StringSplitOptions.RemoveEmptyEntries));
            Done(context);
        });
        application.MapPost($"{root}/suspend", context => Do(context, find(context).Target.Suspend));
        application.MapPost($"{root}/resume", context => Do(context, find(context).Target.Resume));
        application.MapPost($"{root}/resize", async context =>
        {
            ResizeRequest request = await ReadAsync(context, ControlJson.Context.ResizeRequest);
            find(context).Target.Resize(Sectors(request.Size));
            Done(context);
        });
        application.MapPost($"{root}/pause", context => HoldPauseAsync(context, find(context)));
        application.MapDelete($"{root}/pause/{{id}}", context => Do(context, () => _pauses.End((string?)context.Request.RouteValues["id"])));
        application.MapPost($"{root}/stop", context => StopAsync(context, find(context)));
    }

    private ServedDevice Find(string name) => _host.Find(name)
        ?? throw new BadHttpRequestException($"{name}: no such device is served here", StatusCodes.Status404NotFound);

    private ServedDevice OnlyDevice() => _host.Devices switch
    {
        [ServedDevice only] => only,
        [] => throw new BadHttpRequestException("no device is served here", StatusCodes.Status404NotFound),
        { Count: int count } => throw new BadHttpRequestException(
            $"{count} devices are served here: name one; 'era ls' lists them", StatusCodes.Status409Conflict),
    };

    private Task ListAsync(HttpContext context) => ReplyAsync(
        context, [.. _host.Devices.Select(device => device.Describe())], ControlJson.Context.IReadOnlyListDeviceDescription);

    private async Task AttachAsync(HttpContext context)
    {
        DeviceRequest request = await ReadAsync(context, ControlJson.Context.DeviceRequest);
        ServedDevice device = _host.Attach(request.Resolve());
        context.Response.StatusCode = StatusCodes.Status201Created;
        await ReplyAsync(context, device.Describe(), ControlJson.Context.DeviceDescription);
    }

    private static async Task AnswerFaults(HttpContext context, RequestDelegate next, Action<string> log)
    {
        try
        {
            await next(context);
        }
        catch (Exception fault) when (!context.Response.HasStarted)
        {
            context.Response.StatusCode = StatusOf(fault);
            await ReplyAsync(context, new ErrorReply(fault.Message.ReplaceLineEndings(" ")), ControlJson.Context.ErrorReply);
        }
        catch (Exception fault)
        {
            // Half a list of changes must not look like a whole one.
            if (!context.RequestAborted.IsCancellationRequested)
                log($"{context.Request.Path}{context.Request.QueryString}: broken off: {fault.Message}");
            context.Abort();
        }
    }

    private static int StatusOf(Exception fault) => fault switch
    {
        BadHttpRequestException refusal => refusal.StatusCode,
        JsonException or SettingsException => StatusCodes.Status400BadRequest,
        ServingException => StatusCodes.Status409Conflict,
        EraTargetException { Errno: Errno.EINVAL or Errno.EAGAIN or Errno.ESHUTDOWN } or EraNotBegunException => StatusCodes.Status409Conflict,
        EraTargetException { Errno: Errno.ENOSPC } => StatusCodes.Status507InsufficientStorage,
        _ => StatusCodes.Status500InternalServerError,
    };

    private static async Task ReplyAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type)
    {
        await context.Response.WriteAsJsonAsync(value, type, contentType: "application/json");
        await context.Response.WriteAsync("\n");   // a terminal's prompt belongs below it
    }

    private static async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type) =>
        await JsonSerializer.DeserializeAsync(context.Request.Body, type, context.RequestAborted)
            ?? throw new BadHttpRequestException("the body must be a JSON object");

    private static Task Do(HttpContext context, Action action)
    {
        action();
        Done(context);
        return Task.CompletedTask;
    }

    private static void Done(HttpContext context) => context.Response.StatusCode = StatusCodes.Status204NoContent;

    private async Task HoldPauseAsync(HttpContext context, ServedDevice device)
    {
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _stopping);
        await _pauses.HoldAsync(
            device,
            async pause =>
            {
                await ReplyAsync(context, pause, ControlJson.Context.PauseReply);
                await context.Response.Body.FlushAsync(end.Token);
            },
            end.Token);
    }

    // A process that is there for one device ends with it.
    private async Task StopAsync(HttpContext context, ServedDevice device)
    {
        if (_host.IsForOne) _host.Stop();
        else _host.Detach(device.Name, force: true);
        if (await device.Stopped is string fault) throw new ControlException($"stopped; but {fault}");
        Done(context);
    }

    private static Task SendChanges(HttpContext context, ServedDevice device)
    {
        IQueryCollection query = context.Request.Query;
        if (query["since"] is not [{ Length: > 0 } name])
            throw new BadHttpRequestException("since must be an era: a number from 0 on, ERA:MARK, or a label");
        (ChangeListFormat format, string contentType) = (string?)query["format"] switch
        {
            "json" or null => (ChangeListFormat.Json, "application/json"),
            "xml" => (ChangeListFormat.Xml, "application/xml"),
            "ranges" => (ChangeListFormat.Ranges, "text/plain"),
            _ => throw new BadHttpRequestException("format must be json, xml or ranges"),
        };
        // In this order: whether the history has that moment is asked of one that is not older than the list.
        using EraHistory history = device.Target.OpenHistory();
        uint since = device.Eras.Find(name);
        history.RequireBegun(since);
        context.Response.ContentType = contentType;
        ChangeList.Write(context.Response.Body, history, since, format, device.Target.MarkOf(history.CurrentEra));
        return Task.CompletedTask;
    }

    private static long Sectors(long bytes) => bytes > 0 && bytes % EraTable.SectorSize == 0
        ? bytes / EraTable.SectorSize
        : throw new BadHttpRequestException("size must be a multiple of 512, and more than 0");
}
