using System.CommandLine;
using DmEra.Cli.Offline;
using DmEra.Devices;
using DmEra.Tools;
using DmEra.Tools.Repair;

namespace DmEra.Cli.Commands;

/// <summary><c>era repair</c>: whole metadata from damaged.</summary>
internal static class RepairCommand
{
    private const int SectorsPerMetadataBlock = 8;

    public static Command Create()
    {
        Option<string> input = CommonArguments.Path("--input", "DAMAGED", "the damaged metadata; it is only read", "-i");
        Option<string> output = CommonArguments.Path(
            "--output", "METADATA", "another metadata file or device; a file is made, or extended, as needed", "-o");
        Option<long?> blockSize = CommonArguments.Size("--block-size", "block size of the device, if the superblock is lost");
        Option<uint?> nrBlocks = CommonArguments.Number("--nr-blocks", "COUNT", "blocks of the device, if the superblock is lost");
        Option<uint?> currentEra = CommonArguments.Number(
            "--current-era", "ERA", "an era not before the current one, if the superblock is lost");
        Option<bool> quiet = CommonArguments.Quiet();
        EraCommand command = new(
            "repair",
            "Make whole metadata of damaged. Blocks whose history is lost count as written in the current era, so that "
                + "no change is ever missed; the report names them.",
            "era repair -i damaged.era -o disk.img.era",
            "era repair -i damaged.era -o disk.img.era --block-size 64K --nr-blocks 16384 --current-era 90")
        {
            input,
            output,
            blockSize,
            nrBlocks,
            currentEra,
            quiet,
        };
        command.Manual = """
            The new metadata has the era of each block's last write in its era array, and no writesets: what was written since any era is the same list as before. A metadata snapshot is not taken along. What is lost is told line by line, with the origin blocks concerned; of intact pieces nothing is lost.

            Without a superblock, the block size and count are taken from a metadata snapshot if there is one, and all blocks count as written. An era not before the current one can be found in the records of whoever makes the backups; without it, one is taken that is a million later than the latest mentioned anywhere, which is not before the current one whatever else was lost.
            """;
        command.SetAction(parse => Run(
            parse,
            parse.GetRequiredValue(input),
            parse.GetRequiredValue(output),
            Hint(parse.GetValue(blockSize), parse.GetValue(nrBlocks), parse.GetValue(currentEra)),
            parse.GetValue(quiet)));
        return command;
    }

    private static int Run(ParseResult parse, string inputPath, string outputPath, GeometryHint hint, bool isQuiet)
    {
        // First of all: a signal must find somebody who removes the new file.
        using ToolRun run = new(parse, showProgress: !isQuiet);
        using FileBlockDevice input = OpenDamaged(inputPath);
        using NewMetadata output = NewMetadata.Open(outputPath);
        IBlockDevice damaged = run.Watch(input, MetadataUsage.BytesInUse(input));
        return run.Do(() => MetadataFile.Use(outputPath, () =>
        {
            RepairReport report;
            try { report = MetadataRepairer.Repair(damaged, output.Device, hint); }
            catch (UnsalvageableException fault) { throw new CommandException($"{inputPath}: {fault.Message}"); }

            output.Keep();
            foreach (string line in RepairText.Lines(report)) parse.Output().WriteLine(line);
            return ExitCode.Done;
        }));
    }

    private static FileBlockDevice OpenDamaged(string path)
    {
        try
        {
            return FileBlockDevice.OpenReadOnly(path);
        }
        catch (DeviceException fault) when (fault.Errno == Errno.EBUSY)
        {
            throw new CommandException($"{path}: in use; stop the device first");
        }
    }

    private static GeometryHint Hint(long? blockSize, uint? nrBlocks, uint? currentEra)
    {
        long? sectors = blockSize / Sector.Size;
        if (blockSize % (Sector.Size * SectorsPerMetadataBlock) is not (null or 0) || sectors > uint.MaxValue)
            throw new CommandException("--block-size must be a multiple of 4K", ExitCode.Usage);
        return new GeometryHint((uint?)sectors, nrBlocks, currentEra);
    }
}
