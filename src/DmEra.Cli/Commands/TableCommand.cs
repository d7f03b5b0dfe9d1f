using System.CommandLine;
using DmEra.Target.Tracking;

namespace DmEra.Cli.Commands;

/// <summary><c>era table</c>: the table line, which <c>era serve --table</c> takes.</summary>
internal static class TableCommand
{
    public static Command Create()
    {
        Argument<string> device = CommonArguments.AnyDevice();
        EraCommand command = new(
            "table",
            "Print the table line of a device: START LENGTH era METADATA ORIGIN BLOCK_SIZE, in sectors of 512 bytes.",
            "era table disk.img")
        {
            device,
        };
        command.SetAction(parse =>
        {
            using ILiveDevice asked = parse.OpenDeviceToLookAt(device);
            parse.Output().WriteLine(asked.Describe().Table);
            return ExitCode.Done;
        });
        return command;
    }
}
