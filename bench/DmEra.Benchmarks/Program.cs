using DmEra.Benchmarks;

switch (args)
{
    case ["serve-file", var file, var socket]:
        return ServeFile.Run(file, socket);
    default:
        Console.Error.WriteLine("usage: DmEra.Benchmarks serve-file FILE SOCKET");
        return 2;
}
