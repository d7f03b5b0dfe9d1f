using System.CommandLine;
using DmEra.Control;

namespace DmEra.Cli.Commands;

/// <summary><c>era detach</c>: takes a device out of service in a process that serves many.</summary>
internal static class DetachCommand
{
    public static Command Create()
    {
        Argument<string> name = CommonArguments.Operand("NAME", "name from 'era ls'");
        Option<bool> force = CommonArguments.Flag("--force", "end the connections of its clients");
        Option<string?> control = CommonArguments.DaemonSocket();
        EraCommand command = new(
            "detach",
            "Have the process of 'era serve --config' serve a device no longer: finish the writes under way, archive the era and commit. "
                + "Refused while clients are connected.",
            "era detach disk2",
            "era detach disk2 --force")
        {
            name,
            force,
            control,
        };
        command.SetAction(async (parse, cancellation) =>
        {
            using ControlClient client = DeviceLookup.ConnectToDaemon(parse.GetValue(control));
            await client.DetachAsync(parse.GetRequiredValue(name), parse.GetValue(force), cancellation);
            return ExitCode.Done;
        });
        return command;
    }
}
