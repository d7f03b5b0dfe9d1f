using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using DmEra.Devices;
using DmEra.Target.History;
using DmEra.Target.Mapping;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace DmEra.Control;

/// <summary>The resources under <c>/v1/device</c>. Handlers block their thread while the target works: few people
/// ask at the same time.</summary>
internal static class ControlEndpoints
{
    private const string Root = "/v1/device";

    /// <summary>Adds the resources of a device to a server.</summary>
    /// <param name="application">The server.</param>
    /// <param name="device">The device.</param>
    /// <param name="log">Is told, a line each, of faults that cannot be answered any more.</param>
    public static void Map(WebApplication application, ServedDevice device, Action<string> log)
    {
        EraTarget target = device.Target;
        application.Use((context, next) => AnswerFaults(context, next, log));
        application.MapGet(Root, context => ReplyAsync(context, device.Describe(), ControlJson.Context.DeviceDescription));
        application.MapGet($"{Root}/changed", context => SendChanges(context, device));
        application.MapGet($"{Root}/era", context =>
        {
            uint era = device.Eras.Find((string?)context.Request.Query["name"] ?? throw new BadHttpRequestException("give a name"));
            return ReplyAsync(context, new EraReply(era, target.MarkOf(era)), ControlJson.Context.EraReply);
        });
        application.MapPost($"{Root}/checkpoint", context =>
        {
            uint era = target.Checkpoint();
            return ReplyAsync(context, new CheckpointReply(era, target.MarkOf(era)), ControlJson.Context.CheckpointReply);
        });
        application.MapPost($"{Root}/messages", async context =>
        {
            MessageRequest request = await ReadAsync(context, ControlJson.Context.MessageRequest);
            target.Message(request.Message.Split(' ', StringSplitOptions.RemoveEmptyEntries));
            Done(context);
        });
        application.MapPost($"{Root}/suspend", context => Do(context, target.Suspend));
        application.MapPost($"{Root}/resume", context => Do(context, target.Resume));
        application.MapPost($"{Root}/resize", async context =>
        {
            ResizeRequest request = await ReadAsync(context, ControlJson.Context.ResizeRequest);
            target.Resize(Sectors(request.Size));
            Done(context);
        });
        PauseResource pauses = new(target);
        application.MapPost($"{Root}/pause", context => HoldPauseAsync(context, pauses, application.Lifetime.ApplicationStopping));
        application.MapDelete($"{Root}/pause/{{id}}", context => Do(context, () => pauses.End((string?)context.Request.RouteValues["id"])));
        application.MapPost($"{Root}/stop", context => Stop(context, device));
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
        JsonException => StatusCodes.Status400BadRequest,
        EraTargetException { Errno: Errno.EINVAL } or EraNotBegunException => StatusCodes.Status409Conflict,
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

    private static async Task HoldPauseAsync(HttpContext context, PauseResource pauses, CancellationToken stopping)
    {
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        await pauses.HoldAsync(
            async pause =>
            {
                await ReplyAsync(context, pause, ControlJson.Context.PauseReply);
                await context.Response.Body.FlushAsync(end.Token);
            },
            end.Token);
    }

    private static async Task Stop(HttpContext context, ServedDevice device)
    {
        device.Stop();
        if (await device.Stopped is string fault)
            throw new ControlException($"stopped; but {fault}");
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
