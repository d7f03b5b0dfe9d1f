using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using DmEra.Target.Labels;
using DmEra.Target.Tracking;

namespace DmEra.Cli.Commands;

/// <summary><c>era labels</c>: lists what eras are called.</summary>
internal static class LabelsCommand
{
    public static Command Create()
    {
        Argument<string> device = CommonArguments.Operand(
            "DEVICE", "name from 'era ls', path of a control socket, device of the kernel's dm-era, or metadata");
        Option<string?> remove = CommonArguments.Text("--remove", "TEXT", "take this label away; the era stays");
        Option<bool> json = CommonArguments.Json();
        EraCommand command = new(
            "labels",
            "List the labels that eras were given with 'era checkpoint --label'.",
            "era labels disk.img",
            "era labels disk.img.era --remove 'before upgrade'")
        {
            device,
            remove,
            json,
        };
        command.SetAction(parse =>
        {
            string metadata = FindMetadata(parse, parse.GetRequiredValue(device));
            if (parse.GetValue(remove) is string label)
            {
                LabelBook.Change(metadata, book => book.Remove(label));
                return ExitCode.Done;
            }

            IReadOnlyList<EraLabel> labels = LabelBook.Read(metadata).Labels;
            if (parse.GetValue(json)) parse.Output().WriteLine(JsonSerializer.Serialize(labels, LabelListJson.Default.IReadOnlyListEraLabel));
            else Write(parse.Output(), labels);
            return ExitCode.Done;
        });
        return command;
    }

    private static string FindMetadata(ParseResult parse, string device)
    {
        using ILiveDevice? live = DeviceLookup.TryOpen(device, parse.InvocationConfiguration.Error);
        if (live is not null) return live.MetadataPath!;
        return File.Exists(device) ? device
            : throw new CommandException($"{device}: neither a device that is being served nor a metadata file");
    }

    private static void Write(TextWriter output, IReadOnlyList<EraLabel> labels)
    {
        foreach (EraLabel label in labels)
        {
            string given = label.Given.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
            output.WriteLine($"{label.Era,10}  {given}  {label.Label}");
        }
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(IReadOnlyList<EraLabel>))]
internal sealed partial class LabelListJson : JsonSerializerContext;
