using System.CommandLine;
using DmEra.Control;
using DmEra.Serving;
using DmEra.Target.Tracking;

namespace DmEra.Cli.Commands;

/// <summary><c>era ls</c>: the devices of all processes whose sockets are in the runtime folder.</summary>
internal static class LsCommand
{
    public static Command Create()
    {
        Option<bool> json = CommonArguments.Json();
        EraCommand command = new("ls", "List the devices being served, of all processes in the runtime folder.", "era ls", "era ls --json") { json };
        command.SetAction(parse =>
        {
            IReadOnlyList<DeviceDescription> devices = ServedDevices.Find(fault => parse.InvocationConfiguration.Error.WriteLine(ErrorLine.For(fault)));
            TextWriter output = parse.Output();
            if (parse.GetValue(json)) output.WriteLine(ControlJson.Of(devices));
            else WriteTable(output, devices);
            return ExitCode.Done;
        });
        return command;
    }

    private static void WriteTable(TextWriter output, IReadOnlyList<DeviceDescription> devices)
    {
        if (devices.Count == 0) return;
        string[][] rows =
        [
            ["NAME", "STATE", "SIZE", "ERA", "URI"],
            .. devices.Select(device => new[]
            {
                device.Name,
                device.State,
                ByteSize.Format(device.Size),
                $"{device.CurrentEra}",
                string.Join(' ', device.Endpoints),
            }),
        ];
        int[] widths = [.. Enumerable.Range(0, rows[0].Length).Select(column => rows.Max(row => row[column].Length))];
        foreach (string[] row in rows)
        {
            IEnumerable<string> cells = row.Select((cell, column) => cell.PadRight(widths[column]));
            output.WriteLine(string.Join("  ", cells).TrimEnd());
        }
    }
}
