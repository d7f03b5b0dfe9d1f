using System.CommandLine;
using DmEra.Control;
using DmEra.Tools.Labels;

namespace DmEra.Cli.Commands;

/// <summary><c>era checkpoint</c>: starts a new era.</summary>
internal static class CheckpointCommand
{
    public static Command Create()
    {
        Argument<string> device = CommonArguments.Device();
        Option<string?> label = CommonArguments.Text(
            "--label", "TEXT", "call this moment so; commands that take an era take its label as well");
        EraCommand command = new(
            "checkpoint",
            "Start a new era and print its number. Every write recorded in an older era has reached the origin then.",
            "era checkpoint disk.img",
            "era checkpoint disk.img --label 'before upgrade'")
        {
            device,
            label,
        };
        command.SetAction(async (parse, cancellation) =>
        {
            using ControlClient client = DeviceLookup.Connect(parse.GetRequiredValue(device));
            uint era = parse.GetValue(label) is string text
                ? Checkpoint(client, await client.DescribeAsync(cancellation), text, cancellation)
                : await client.CheckpointAsync(cancellation);
            parse.Output().WriteLine(era);
            return ExitCode.Done;
        });
        return command;
    }

    private static uint Checkpoint(ControlClient client, DeviceDescription device, string label, CancellationToken cancellation) =>
        LabelBook.Change(device.Metadata, book =>
        {
            // Before there is an era that nobody can find by its name.
            book.RequireFree(label);
            uint era = client.CheckpointAsync(cancellation).GetAwaiter().GetResult();
            book.Add(new EraLabel(label, era, TimeProvider.System.GetUtcNow(), device.Lineage));
            return era;
        });
}
