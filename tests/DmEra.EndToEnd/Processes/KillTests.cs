using System.Runtime.InteropServices;
using System.Text.Json;
using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>The process dies under load: what it had acknowledged is on disk and recorded.</summary>
public sealed class KillTests : IDisposable
{
    private const int PageBytes = 4096;
    private const uint PagesPerBlock = 16;

    // Keeps 16 writes in flight, of pages that hold their own number; sends the signal when enough are acknowledged.
    private const string WriteUntilKilled =
        """
        import json, os, random
        random.seed(seed)
        acknowledged = []

        def write():
            page = random.randrange(1, 16384)
            def done(error):
                if error.value == 0: acknowledged.append(page)
                return 1
            data = page.to_bytes(4, 'little') * 1024
            h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(data)), page * 4096, done)

        try:
            while True:
                while h.aio_in_flight() < 16: write()
                h.poll(-1)
                if kill and len(acknowledged) >= count: os.kill(kill, signal); kill = 0
                if not signal and len(acknowledged) >= count: break
        except nbd.Error: pass
        while not signal and h.aio_in_flight() > 0: h.poll(-1)
        print(json.dumps(acknowledged))
        """;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory, InlineData(1), InlineData(50), InlineData(700)]
    public void Kill_9_loses_nothing_that_was_acknowledged(int count)
    {
        List<HashSet<uint>> pagesOfEra = [[]];
        using (EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", "64M"))
        {
            pagesOfEra.Add(Write(server, count));
            server.Command("checkpoint", "disk");
            pagesOfEra.Add(Write(server, count));
            server.Command("checkpoint", "disk");
            pagesOfEra.Add(Write(server, count, signal: 9));
            server.AwaitExit();
        }

        Oracle.EraCheck(_folder["disk.era"]);
        using EraServer again = EraServer.Start(_folder, _folder["disk"]);
        for (uint era = 1; era <= 3; era++)
        {
            IEnumerable<uint> pages = pagesOfEra.Skip((int)era).SelectMany(all => all);
            Assert.Empty(pages.Select(page => page / PagesPerBlock).Except(Oracle.Blocks(again.Changed("disk", era))));
        }

        again.Terminate();
        Oracle.EraCheck(_folder["disk.era"]);
        AssertContent(pagesOfEra.SelectMany(all => all));
    }

    [Fact]
    public void Sigterm_under_load_finishes_what_was_acknowledged_and_archives_the_era()
    {
        HashSet<uint> pages;
        using (EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", "64M"))
        {
            pages = Write(server, 200, signal: 15);
            Assert.Equal(0, server.AwaitExit());
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder["run"], "disk.*"));
        Oracle.EraCheck(_folder["disk.era"]);
        IEnumerable<uint> recorded = Oracle.Blocks(Oracle.EraInvalidate(_folder["disk.era"], 1));
        Assert.Empty(pages.Select(page => page / PagesPerBlock).Except(recorded));
        AssertContent(pages);
    }

    private static HashSet<uint> Write(EraServer server, int count, int signal = 0)
    {
        string settings = $"seed = count = {count}; signal = {signal}; kill = {(signal == 0 ? 0 : server.ProcessId)}";
        string output = Oracle.NbdShell(server.Uri, settings, WriteUntilKilled).AssertSuccess().Output;
        return JsonSerializer.Deserialize<HashSet<uint>>(output)!;
    }

    private void AssertContent(IEnumerable<uint> pages)
    {
        using FileStream disk = File.OpenRead(_folder["disk"]);
        byte[] content = new byte[PageBytes];
        foreach (uint page in pages)
        {
            disk.Position = page * (long)PageBytes;
            disk.ReadExactly(content);
            Assert.Equal(-1, MemoryMarshal.Cast<byte, uint>(content).IndexOfAnyExcept(page));
        }
    }
}
