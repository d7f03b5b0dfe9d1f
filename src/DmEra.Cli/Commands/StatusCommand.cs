using System.CommandLine;
using DmEra.Control;
using DmEra.Target.Tracking;

namespace DmEra.Cli.Commands;

/// <summary><c>era status</c>: the kernel's status line.</summary>
internal static class StatusCommand
{
    public static Command Create()
    {
        Argument<string> device = CommonArguments.AnyDevice();
        Option<bool> json = CommonArguments.Json();
        EraCommand command = new(
            "status",
            "Print the status line of a device: START LENGTH era 8 USED/TOTAL ERA SNAPSHOT. "
                + "USED/TOTAL are metadata blocks of 4 KiB, SNAPSHOT is - when no metadata snapshot is held.",
            "era status disk.img",
            "era status disk.img --json")
        {
            device,
            json,
        };
        command.SetAction(parse =>
        {
            using ILiveDevice asked = parse.OpenDeviceToLookAt(device);
            DeviceDescription description = asked.Describe();
            parse.Output().WriteLine(parse.GetValue(json)
                ? ControlJson.Of(description)
                : description.Status);
            if (description.Warning is string warning) parse.InvocationConfiguration.Error.WriteLine($"era: {warning}");
            if (description.FailureReason is string reason)
                throw new CommandException($"{description.Name}: {reason}");
            return ExitCode.Done;
        });
        return command;
    }
}
