using System.CommandLine;
using DmEra.Control;
using DmEra.Serving.Configuration;

namespace DmEra.Cli.Commands;

/// <summary><c>era reload</c>: has a process that serves many devices read its configuration anew.</summary>
internal static class ReloadCommand
{
    public static Command Create()
    {
        Option<string?> control = CommonArguments.DaemonSocket();
        EraCommand command = new(
            "reload",
            "Have the process of 'era serve --config' read its configuration anew, as SIGHUP does: devices that are new are attached, those that "
                + "are gone are detached, and certificates, networks and limits hold for clients that are still to come. Connections are left alone. "
                + "What cannot be changed is told, and stays as it was.",
            "era reload")
        {
            control,
        };
        command.SetAction(async (parse, cancellation) =>
        {
            using ControlClient client = DeviceLookup.ConnectToDaemon(parse.GetValue(control));
            LoadReport report = await client.ReloadAsync(cancellation);
            foreach (string line in report.Done) parse.Output().WriteLine(line);
            foreach (string line in report.Refused) parse.InvocationConfiguration.Error.WriteLine($"era: {line}");
            return report.Refused.Count == 0 ? ExitCode.Done : ExitCode.Failed;
        });
        return command;
    }
}
