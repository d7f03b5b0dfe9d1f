using System.CommandLine;
using DmEra.Control;

namespace DmEra.Cli.Commands;

/// <summary><c>era table</c>: the table line, which <c>era serve --table</c> takes.</summary>
internal static class TableCommand
{
    public static Command Create()
    {
        Argument<string> device = CommonArguments.Device();
        EraCommand command = new(
            "table",
            "Print the table line of a device: START LENGTH era METADATA ORIGIN BLOCK_SIZE, in sectors of 512 bytes.",
            "era table disk.img")
        {
            device,
        };
        command.SetAction(async (parse, cancellation) =>
        {
            using ControlClient client = DeviceLookup.Connect(parse.GetRequiredValue(device));
            DeviceDescription description = await client.DescribeAsync(cancellation);
            parse.Output().WriteLine(description.Table);
            return ExitCode.Done;
        });
        return command;
    }
}
