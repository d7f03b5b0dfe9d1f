using System.CommandLine;
using DmEra.Backup.Sources;
using DmEra.Control;
using DmEra.Tools.Labels;

namespace DmEra.Cli.Commands;

/// <summary><c>era checkpoint</c>: starts a new era.</summary>
internal static class CheckpointCommand
{
    public static Command Create()
    {
        Argument<string> device = CommonArguments.Operand(
            "DEVICE", "name from 'era ls', path of a control socket, or device of the kernel's dm-era");
        Option<string?> label = CommonArguments.Text(
            "--label", "TEXT", "call this moment so; commands that take an era take its label as well");
        EraCommand command = new(
            "checkpoint",
            "Start a new era and print its number. Every write recorded in an older era has reached the origin then.",
            "era checkpoint disk.img",
            "era checkpoint disk.img --label 'before upgrade'",
            "era checkpoint /dev/mapper/era0 --label 'before upgrade'")
        {
            device,
            label,
        };
        command.SetAction(async (parse, cancellation) =>
        {
            string name = parse.GetRequiredValue(device);
            using ControlClient? client = DeviceLookup.TryConnect(name);
            parse.Output().WriteLine(client is not null
                ? await OfServedAsync(client, parse.GetValue(label), cancellation)
                : OfMapped(name, parse.GetValue(label)));
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<uint> OfServedAsync(ControlClient client, string? label, CancellationToken cancellation)
    {
        if (label is null) return await client.CheckpointAsync(cancellation);
        DeviceDescription device = await client.DescribeAsync(cancellation);
        return Label(label, device.Metadata, device.Lineage, () => client.CheckpointAsync(cancellation).GetAwaiter().GetResult());
    }

    private static uint OfMapped(string name, string? label)
    {
        using KernelDevice device = DeviceLookup.OpenMapped(name);
        return label is null ? device.Checkpoint() : Label(label, device.MetadataPath, device.Device.Lineage, device.Checkpoint);
    }

    private static uint Label(string label, string metadata, Guid? lineage, Func<uint> checkpoint) =>
        LabelBook.Change(metadata, book =>
        {
            // Before there is an era that nobody can find by its name.
            book.RequireFree(label);
            uint era = checkpoint();
            book.Add(new EraLabel(label, era, TimeProvider.System.GetUtcNow(), lineage));
            return era;
        });
}
