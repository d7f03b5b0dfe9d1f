using System.CommandLine;
using DmEra.Control;

namespace DmEra.Cli.Commands;

/// <summary><c>era checkpoint</c>: starts a new era.</summary>
internal static class CheckpointCommand
{
    public static Command Create()
    {
        Argument<string> device = CommonArguments.Device();
        EraCommand command = new(
            "checkpoint",
            "Start a new era and print its number. Every write recorded in an older era has reached the origin then.",
            "era checkpoint disk.img")
        {
            device,
        };
        command.SetAction(async (parse, cancellation) =>
        {
            using ControlClient client = DeviceLookup.Connect(parse.GetRequiredValue(device));
            parse.Output().WriteLine(await client.CheckpointAsync(cancellation));
            return ExitCode.Done;
        });
        return command;
    }
}
