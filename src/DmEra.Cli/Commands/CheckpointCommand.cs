using System.CommandLine;
using DmEra.Control;
using DmEra.Target.Chronicles;
using DmEra.Target.Labels;
using DmEra.Target.Tracking;

namespace DmEra.Cli.Commands;

/// <summary><c>era checkpoint</c>: starts a new era.</summary>
internal static class CheckpointCommand
{
    public static Command Create()
    {
        Argument<string> device = CommonArguments.AnyDevice();
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
        command.SetAction(parse =>
        {
            using ILiveDevice asked = parse.OpenDevice(device);
            EraBeginning begun = parse.GetValue(label) is string text
                ? LabelBook.Mark(asked.MetadataPath!, text, asked.Device.Lineage, asked.Checkpoint, TimeProvider.System)
                : asked.Checkpoint();
            parse.Output().WriteLine(parse.GetValue(json) ? ControlJson.Of(begun) : $"{begun.Era}");
            return ExitCode.Done;
        });
        return command;
    }
}
