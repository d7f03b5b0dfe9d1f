using System.Text.Json;
using DmEra.Devices;
using DmEra.Target.History;
using DmEra.Tests;
using DmEra.Tools.Check;

namespace DmEra.EndToEnd.Processes;

/// <summary>The metadata lies on a disk that logs every write and flush. What it held at each of them is what a power cut
/// would have left.</summary>
public sealed class LoggedMetadataTests : IDisposable
{
    private const int MetadataBytes = 1 << 20;

    // Tells after each write what it was, and how much is in the log by then.
    private const string WriteAndNote =
        """
        import json, random, struct
        random.seed(seed)
        def entries():
            with open(log, 'rb') as file: return struct.unpack('<QQQ', file.read(24))[2]
        notes = []
        for i in range(40):
            block = random.randrange(256)
            if i % 5 == 4: h.trim(3 * 65536, min(block, 253) * 65536)
            else: h.pwrite(b'x' * 4096, block * 65536 + 4096)
            notes.append((min(block, 253) if i % 5 == 4 else block, entries()))
        print(json.dumps(notes))
        """;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Metadata_is_sound_and_complete_at_every_flush_and_every_write()
    {
        List<(uint Block, int Entries, uint Era)> acknowledged = [];
        _folder.Sparse("file", MetadataBytes);
        File.WriteAllBytes(_folder["log"], []);
        using (FuseDisk metadata = FuseDisk.BehindQemu(
            _folder, "meta", $"driver=file,filename={_folder["file"]},node-name=file",
            $"driver=file,filename={_folder["log"]},node-name=log",
            "driver=blklogwrites,file=file,log=log,log-super-update-interval=1,node-name=disk"))
        {
            using EraServer server = EraServer.Start(_folder, _folder.Sparse("disk", 16 << 20), "--metadata", metadata.Path);
            for (uint era = 1; era <= 4; era++)
            {
                string notes = Oracle.NbdShell(server.Uri, $"seed = {era}; log = '{_folder["log"]}'", WriteAndNote)
                    .AssertSuccess().Output;
                foreach (JsonElement note in JsonElement.Parse(notes).EnumerateArray())
                    acknowledged.Add((note[0].GetUInt32(), note[1].GetInt32(), era));
                if (era == 2) server.Command("message", "disk", "take_metadata_snap");
                else server.Command("checkpoint", "disk");
                if (era == 3) server.Command("message", "disk", "drop_metadata_snap");
            }

            server.Terminate();
        }

        byte[] disk = new byte[MetadataBytes];
        int flushes = 0;
        LoggedWrites.Read(_folder["log"]).Replay(disk, (entry, isFlush) =>
        {
            if (!disk.AsSpan(0, 4096).ContainsAnyExcept((byte)0)) return;
            using MemoryBlockDevice image = new(disk);
            Assert.Empty(MetadataChecker.Check(image).Faults);
            if (isFlush && flushes++ % 8 == 0) Oracle.EraCheck(disk);
            using EraHistory history = EraHistory.Open(image);
            uint[] eras = new uint[history.NrBlocks];
            history.ReadEras(0, eras);
            foreach ((uint block, int entries, uint era) in acknowledged.TakeWhile(write => write.Entries <= entry))
                Assert.True(eras[block] >= era, $"entry {entry}: block {block} was written in era {era}, not {eras[block]}");
        });

        Assert.True(flushes > 100, $"{flushes} flushes");
    }
}
