using DmEra.Benchmarks;

switch (args)
{
    case ["serve-file", var file, var socket]:
        return ServeFile.Run(file, socket);
    case ["metadata"]:
        return MetadataTransactions.Run(path: null);
    case ["metadata", var file]:
        return MetadataTransactions.Run(file);
    default:
        Console.Error.WriteLine("usage: DmEra.Benchmarks serve-file FILE SOCKET");
        Console.Error.WriteLine("       DmEra.Benchmarks metadata [FILE]");
        return 2;
}
