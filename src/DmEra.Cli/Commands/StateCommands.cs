using System.CommandLine;
using DmEra.Control;

namespace DmEra.Cli.Commands;

/// <summary><c>era suspend</c>, <c>era resume</c> and <c>era stop</c>: a device, and nothing to print.</summary>
internal static class StateCommands
{
    public static Command CreateSuspend() => Create(
        "suspend",
        "Finish the writes under way, archive the era and commit. Requests wait until the device is resumed.",
        (client, cancellation) => client.SuspendAsync(cancellation));

    public static Command CreateResume() => Create(
        "resume",
        "Start a new era and let the requests in that wait. Opens metadata that failed anew, after a suspend.",
        (client, cancellation) => client.ResumeAsync(cancellation));

    public static Command CreateStop() => Create(
        "stop",
        "Finish the writes under way, archive the era, commit and end the process that serves the device.",
        (client, cancellation) => client.StopAsync(cancellation));

    private static EraCommand Create(
        string name, string description, Func<ControlClient, CancellationToken, Task> change)
    {
        Argument<string> device = CommonArguments.Device();
        EraCommand command = new(name, description, $"era {name} disk.img") { device };
        command.SetAction(async (parse, cancellation) =>
        {
            using ControlClient client = DeviceLookup.Connect(parse.GetRequiredValue(device));
            await change(client, cancellation);
            return ExitCode.Done;
        });
        return command;
    }
}
