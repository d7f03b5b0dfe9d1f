using System.CommandLine;
using DmEra.Cli.Offline;
using DmEra.Tools.Restore;

namespace DmEra.Cli.Commands;

/// <summary><c>era restore</c>: metadata from XML.</summary>
internal static class RestoreCommand
{
    public static Command Create()
    {
        Option<string> input = CommonArguments.Path("--input", "XML", "the XML, as 'era dump' writes it", "-i");
        Option<string> output = CommonArguments.Path(
            "--output", "METADATA", "metadata file or device; a file is made, or extended, as needed", "-o");
        Option<bool> quiet = CommonArguments.Quiet();
        EraCommand command = new(
            "restore",
            "Make metadata of XML. What was in the output is lost as soon as the XML has proved to be metadata.",
            "era restore -i disk.xml -o disk.img.era")
        {
            input,
            output,
            quiet,
        };
        command.Manual = """
            Elements may come in any order, with <bit> or with <marked> for the marks of a writeset; blocks that are not mentioned were never written. Refused are blocks and writesets that come twice, eras later than current_era, numbers out of range, and XML that is cut short.

            The superblock is written last. Until then the output is plainly no metadata, so that nothing half-done is taken for whole; a file that did not exist is removed again when it fails or is interrupted. A new file gets the size that its device will need later, since Linux does not extend metadata.
            """;
        command.SetAction(parse => Run(
            parse, parse.GetRequiredValue(input), parse.GetRequiredValue(output), parse.GetValue(quiet)));
        return command;
    }

    private static int Run(ParseResult parse, string inputPath, string outputPath, bool isQuiet)
    {
        // First of all: a signal must find somebody who removes the new file.
        using ToolRun run = new(parse, showProgress: !isQuiet);
        using FileStream input = InputFile.Open("--input", inputPath, run.Stop);
        using NewMetadata output = NewMetadata.Open(outputPath);
        return run.Do(() => MetadataFile.Use(outputPath, () =>
        {
            try { MetadataRestorer.Restore(run.Watch(input), output.Device); }
            catch (EraXmlException fault) { throw new CommandException($"{inputPath}: {fault.Message}"); }

            output.Keep();
            return ExitCode.Done;
        }));
    }
}
