using System.Collections.Concurrent;
using DmEra.Serving.Hosting;
using DmEra.Target.Mapping;
using Microsoft.AspNetCore.Http;

namespace DmEra.Control;

/// <summary>The pauses that are held at the control socket. One ends when they say so, or are gone: nobody can leave a device
/// waiting for ever.</summary>
internal sealed class PauseResource
{
    private readonly ConcurrentDictionary<Guid, EraPause> _held = new();

    /// <summary>Pauses the device for as long as the connection and the device last.</summary>
    /// <param name="device">The device.</param>
    /// <param name="tellAsync">Told the pause when it has begun.</param>
    /// <param name="end">Cancelled when the client is gone, or the server stops.</param>
    public async Task HoldAsync(ServedDevice device, Func<PauseReply, Task> tellAsync, CancellationToken end)
    {
        using EraPause pause = device.Target.Pause();
        Guid id = Guid.NewGuid();
        _held[id] = pause;
        try
        {
            await tellAsync(new PauseReply(pause.LastEra, id, pause.Next));
            await Task.WhenAny(device.Stopped, Task.Delay(Timeout.InfiniteTimeSpan, end));
        }
        catch (OperationCanceledException)
        {
            // The end of the pause.
        }
        finally
        {
            _held.TryRemove(id, out _);
        }
    }

    /// <summary>Ends a pause, and returns when the device goes on.</summary>
    /// <exception cref="EraTargetException">It cannot yet, and is tried again; or it has been stopped.</exception>
    /// <exception cref="BadHttpRequestException">There is no such pause.</exception>
    public void End(string? id)
    {
        if (!Guid.TryParse(id, out Guid key) || !_held.TryRemove(key, out EraPause? pause))
            throw new BadHttpRequestException("no such pause: it is over", StatusCodes.Status404NotFound);
        pause.End();
    }
}
