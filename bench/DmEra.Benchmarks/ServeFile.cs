using System.Net.Sockets;
using DmEra.Devices;
using DmEra.Nbd;

namespace DmEra.Benchmarks;

/// <summary>Serves a file as it is, without tracking: what the server itself costs.</summary>
internal static class ServeFile
{
    public static int Run(string path, string socketPath)
    {
        using FileBlockDevice file = FileBlockDevice.Open(path);
        NbdExport export = new("", file, new BlockStatusCatalog(new AllocationContext(file)));
        using NbdServer server = new([export], new NbdServerOptions());
        server.Listen(new UnixDomainSocketEndPoint(socketPath));
        Console.WriteLine("ready");
        Console.In.ReadLine();
        return 0;
    }
}
