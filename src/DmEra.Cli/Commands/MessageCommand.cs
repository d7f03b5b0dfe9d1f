using System.CommandLine;
using DmEra.Control;

namespace DmEra.Cli.Commands;

/// <summary><c>era message</c>: the messages of the kernel's target.</summary>
internal static class MessageCommand
{
    public static Command Create()
    {
        Argument<string> device = CommonArguments.Device();
        Argument<string> message = CommonArguments.Operand(
            "MESSAGE", "checkpoint, take_metadata_snap or drop_metadata_snap, in upper or lower case");
        EraCommand command = new(
            "message",
            "Send a message to a device, as 'dmsetup message' does.",
            "era message disk.img take_metadata_snap")
        {
            device,
            message,
        };
        command.SetAction(async (parse, cancellation) =>
        {
            using ControlClient client = DeviceLookup.Connect(parse.GetRequiredValue(device));
            await client.MessageAsync(parse.GetRequiredValue(message), cancellation);
            return ExitCode.Done;
        });
        return command;
    }
}
