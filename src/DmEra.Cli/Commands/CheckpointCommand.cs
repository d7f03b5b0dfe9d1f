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
        Option<bool> json = CommonArguments.Json();
        EraCommand command = new(
            "checkpoint",
            "Start a new era and print its number. Every write recorded in an older era has reached the origin then.",
            "era checkpoint disk.img",
            "era checkpoint disk.img --label 'before upgrade'",
            "era checkpoint /dev/mapper/era0 --label 'before upgrade'")
        {
            device,
            label,
            json,
        };
        command.SetAction(async (parse, cancellation) =>
        {
            string name = parse.GetRequiredValue(device);
            using ControlClient? client = DeviceLookup.TryConnect(name);
            CheckpointReply begun = client is not null
                ? await OfServedAsync(client, parse.GetValue(label), cancellation)
                : OfMapped(name, parse.GetValue(label));
            parse.Output().WriteLine(parse.GetValue(json) ? ControlJson.Of(begun) : $"{begun.Era}");
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<CheckpointReply> OfServedAsync(ControlClient client, string? label, CancellationToken cancellation)
    {
        if (label is null) return await client.CheckpointAsync(cancellation);
        DeviceDescription device = await client.DescribeAsync(cancellation);
        return Label(label, device.Metadata, device.Lineage, () => client.CheckpointAsync(cancellation).GetAwaiter().GetResult());
    }

    private static CheckpointReply OfMapped(string name, string? label)
    {
        using KernelDevice device = DeviceLookup.OpenMapped(name);
        return label is null ? Checkpoint() : Label(label, device.MetadataPath, device.Device.Lineage, Checkpoint);

        // The kernel's eras have no marks.
        CheckpointReply Checkpoint() => new(device.Checkpoint(), Mark: null);
    }

    private static CheckpointReply Label(string label, string metadata, Guid? lineage, Func<CheckpointReply> checkpoint) =>
        LabelBook.Change(metadata, book =>
        {
            // Before there is an era that nobody can find by its name.
            book.RequireFree(label);
            CheckpointReply begun = checkpoint();
            book.Add(new EraLabel(label, begun.Era, TimeProvider.System.GetUtcNow(), lineage, begun.Mark));
            return begun;
        });
}
