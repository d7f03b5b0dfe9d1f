using System.CommandLine;
using DmEra.Control;

namespace DmEra.Cli.Commands;

/// <summary><c>era resize</c>: changes the length of a device.</summary>
internal static class ResizeCommand
{
    public static Command Create()
    {
        Argument<string> device = CommonArguments.Device();
        Argument<long> size = CommonArguments.SizeOperand("new size of the device: 2G, 512M, 4194304s (sectors)");
        EraCommand command = new(
            "resize",
            "Change the size of a device; starts a new era. Clients see the new size when they connect anew.",
            "truncate -s 2G disk.img && era resize disk.img 2G")
        {
            device,
            size,
        };
        command.SetAction(async (parse, cancellation) =>
        {
            using ControlClient client = DeviceLookup.Connect(parse.GetRequiredValue(device));
            await client.ResizeAsync(parse.GetRequiredValue(size), cancellation);
            return ExitCode.Done;
        });
        return command;
    }
}
