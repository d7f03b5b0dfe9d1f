using System.CommandLine;
using DmEra.Control;

namespace DmEra.Cli.Commands;

/// <summary><c>era changed</c>: what was written since an era, asked of a running device.</summary>
internal static class ChangedCommand
{
    public static Command Create()
    {
        Argument<string> device = CommonArguments.Device();
        Option<string> since = CommonArguments.Era("--since", "list what was written in this era, or since this label, or later");
        Option<string> format = CommonArguments.ListFormat();
        EraCommand command = new(
            "changed",
            "List the blocks written in an era or later, while the device is in use.",
            "era changed disk.img --since 4",
            "era changed disk.img --since 'before upgrade' --format ranges")
        {
            device,
            since,
            format,
        };
        command.SetAction(async (parse, cancellation) =>
        {
            using ControlClient client = DeviceLookup.Connect(parse.GetRequiredValue(device));
            Stream output = parse.OutputStream();
            await client.CopyChangesAsync(parse.GetRequiredValue(since), parse.GetRequiredValue(format), output, cancellation);
            return ExitCode.Done;
        });
        return command;
    }
}
