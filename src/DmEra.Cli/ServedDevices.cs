using DmEra.Control;
using DmEra.Serving.Sockets;
using DmEra.Target.Tracking;

namespace DmEra.Cli;

/// <summary>What the processes serve whose control sockets are in the runtime folder.</summary>
internal static class ServedDevices
{
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(10);

    /// <summary>All of their devices, in order of the sockets and names.</summary>
    /// <param name="report">Told of those that are dead, or do not answer in time: one that was killed does not hide the others.</param>
    public static IReadOnlyList<DeviceDescription> Find(Action<Exception> report)
    {
        List<DeviceDescription> devices = [];
        foreach (string socket in RuntimeFolder.FromEnvironment().ControlSockets())
        {
            using ControlClient client = new(socket);
            using CancellationTokenSource limit = new(AnswerLimit);
            try { devices.AddRange(client.ListAsync(limit.Token).GetAwaiter().GetResult()); }
            catch (ControlException fault) { report(fault); }
            catch (OperationCanceledException)
            {
                report(new TimeoutException($"{socket}: no answer within {AnswerLimit.TotalSeconds} s"));
            }
        }

        return devices;
    }
}
