using System.CommandLine;
using DmEra.Target.History;
using DmEra.Target.Tracking;

namespace DmEra.Cli.Commands;

/// <summary><c>era changed</c>: what was written since an era, asked of a running device.</summary>
internal static class ChangedCommand
{
    public static Command Create()
    {
        Argument<string> device = CommonArguments.AnyDevice();
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
        command.SetAction(parse =>
        {
            using ILiveDevice asked = parse.OpenDevice(device);
            asked.WriteChanges(
                parse.GetRequiredValue(since), Enum.Parse<ChangeListFormat>(parse.GetRequiredValue(format), ignoreCase: true), parse.OutputStream());
            return ExitCode.Done;
        });
        return command;
    }
}
