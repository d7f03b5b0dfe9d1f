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
    default:
        Console.Error.WriteLine("usage: DmEra.Benchmarks serve-file FILE SOCKET");
        Console.Error.WriteLine("       DmEra.Benchmarks metadata [FILE]");
        Console.Error.WriteLine("       DmEra.Benchmarks digestion [FOLDER]");
        return 2;
}
