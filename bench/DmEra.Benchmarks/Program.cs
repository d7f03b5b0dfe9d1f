using System.Globalization;
using DmEra.Benchmarks;

switch (args)
{
    case ["serve-file", var file, var socket]:
        return ServeFile.Run(file, socket);
    case ["metadata"]:
        return MetadataTransactions.Run(path: null);
    case ["metadata", var file]:
        return MetadataTransactions.Run(file);
    case ["digestion"]:
        return DigestionBenchmark.Run(folder: null);
    case ["digestion", var folder]:
        return DigestionBenchmark.Run(folder);
    case ["queries", var folder]:
        return QueryBenchmark.Run(folder);
    case ["tools-metadata", var file, var blocks]:
        return ToolsMetadata.Run(file, uint.Parse(blocks, CultureInfo.InvariantCulture));
    default:
        Console.Error.WriteLine("usage: DmEra.Benchmarks serve-file FILE SOCKET");
        Console.Error.WriteLine("       DmEra.Benchmarks metadata [FILE]");
        Console.Error.WriteLine("       DmEra.Benchmarks digestion [FOLDER]");
        Console.Error.WriteLine("       DmEra.Benchmarks queries FOLDER");
        Console.Error.WriteLine("       DmEra.Benchmarks tools-metadata FILE BLOCKS");
        return 2;
}
