using System.CommandLine;
using DmEra.Control;
using DmEra.Serving;
using DmEra.Serving.Sockets;
using DmEra.Target.Tracking;

namespace DmEra.Cli.Commands;

/// <summary><c>era ls</c>: the devices being served from the runtime folder.</summary>
internal static class LsCommand
{
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(5);

    public static Command Create()
    {
        Option<bool> json = CommonArguments.Json();
        EraCommand command = new("ls", "List the devices being served.", "era ls", "era ls --json") { json };
        command.SetAction(async (parse, cancellation) =>
        {
            IReadOnlyList<DeviceDescription> devices = await FindAsync(parse.InvocationConfiguration.Error, cancellation);
            TextWriter output = parse.Output();
            if (parse.GetValue(json)) output.WriteLine(ControlJson.Of(devices));
            else WriteTable(output, devices);
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<IReadOnlyList<DeviceDescription>> FindAsync(TextWriter error, CancellationToken cancellation)
    {
        List<DeviceDescription> devices = [];
        foreach (string socket in RuntimeFolder.FromEnvironment().ControlSockets())
        {
            using ControlClient client = new(socket);
            using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            limit.CancelAfter(AnswerLimit);
            try
            {
                devices.Add(await client.DescribeAsync(limit.Token));
            }
            catch (ControlException fault)
            {
                // One that was killed does not hide the others.
                error.WriteLine(ErrorLine.For(fault));
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                error.WriteLine($"era: {socket}: no answer within {AnswerLimit.TotalSeconds} s");
            }
        }

        return devices;
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
