using System.CommandLine;
using DmEra.Backup.Images;
using DmEra.Cli.Backups;

namespace DmEra.Cli.Commands;

/// <summary><c>era export</c>: makes a disk image for other programs.</summary>
internal static class ExportCommand
{
    public static Command Create()
    {
        RepositoryArguments repository = new();
        Option<string?> at = RestoreImageCommand.ImageOption();
        Option<string?> output = CommonArguments.Text("--output", "IMAGE", "the file to make", "-o");
        output.Required = true;
        Option<string?> format = CommonArguments.Text("--format", "raw|qcow2", "its format [default: by its name]");
        format.AcceptOnlyFromAmong("raw", "qcow2");
        Option<bool> acceptMixed = RestoreImageCommand.AcceptMixedOption();
        Option<bool> quiet = CommonArguments.Quiet();
        EraCommand command = new(
            "export",
            "Make a disk image for other programs: raw, or qcow2 by way of qemu-img.",
            "era export /backups/disk -o disk.qcow2",
            "era export /backups/disk --at 5 -o disk-5.img")
        {
            repository.Operand,
            at,
            output,
            format,
            acceptMixed,
            quiet,
        };
        repository.AddTo(command);
        command.SetAction(parse =>
        {
            using StopToken stop = new();
            using Repository opened = repository.Open(parse, stop.Token);
            opened.AcceptsMixedImages = parse.GetValue(acceptMixed);
            ImageManifest image = opened.FindImage(parse.GetValue(at));
            string path = parse.GetRequiredValue(output)!;
            TextWriter error = parse.InvocationConfiguration.Error;
            bool isShown = ByteProgress.IsShown(parse.GetValue(quiet), error);
            bool isQcow = parse.GetValue(format) is string name
                ? name is "qcow2"
                : path.EndsWith(".qcow2", StringComparison.OrdinalIgnoreCase);
            if (isQcow) QemuExport.Run(opened, image, path, isShown, stop.Token);
            else new RestoreSession(opened, image, isShown ? error : null, stop.Token).WriteNew(path);
            parse.Output().WriteLine($"{path}: image {image.Number}");
            return ExitCode.Done;
        });
        return command;
    }
}
