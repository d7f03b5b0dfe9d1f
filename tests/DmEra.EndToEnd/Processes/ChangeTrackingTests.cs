using System.Text.Json;
using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>Clients that exist today read over NBD what was written since when.</summary>
public sealed class ChangeTrackingTests : IDisposable
{
    private const int BlockBytes = 65536;
    private const int Blocks = 256;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Nbdinfo_maps_what_was_written_since_an_era()
    {
        using EraServer server = StartWithThreeEras();

        Assert.Equal([(0, 2, 0), (2, 3, 1), (5, 251, 0)], Map(server, "qemu:dirty-bitmap:since-3"));
        Assert.Equal([(0, 2, 0), (2, 3, 1), (5, 3, 0), (8, 1, 1), (9, 247, 0)], Map(server, "era:since-2"));
    }

    [Fact]
    public void Nbdinfo_prints_the_history()
    {
        using EraServer server = StartWithThreeEras();

        Assert.Equal([(0, 1, 1), (1, 1, 0), (2, 3, 3), (5, 3, 0), (8, 1, 2), (9, 1, 1), (10, 246, 0)], Map(server, "era:last"));
    }

    [Fact]
    public void Nbdinfo_lists_the_contexts()
    {
        using EraServer server = StartWithThreeEras();

        Assert.Equal(
            [
                "base:allocation", "era:last", "era:since-3", "era:since-2", "era:since-1",
                "qemu:dirty-bitmap:since-3", "qemu:dirty-bitmap:since-2", "qemu:dirty-bitmap:since-1",
            ],
            Contexts(server));
    }

    [Fact]
    public void Qemu_reads_it_as_a_dirty_bitmap()
    {
        using EraServer server = StartWithThreeEras();

        // What is dirty is told as "data": false; that is how QEMU's backup scripts read any bitmap over NBD.
        Assert.Equal([(2, 3), (8, 1)], QemuDirty(server, "2"));
        Assert.Equal([(2, 3)], QemuDirty(server, "3"));
    }

    [Fact]
    public void Bitmaps_survive_a_crash()
    {
        using (EraServer server = StartWithThreeEras()) server.Kill();

        using EraServer again = EraServer.Start(_folder, _folder["disk"]);

        Assert.Equal([(2, 3), (8, 1)], QemuDirty(again, "2"));
        Assert.Equal([(0, 2, 0), (2, 3, 1), (5, 251, 0)], Map(again, "qemu:dirty-bitmap:since-3"));
    }

    [Fact]
    public void Eras_are_asked_for_by_their_labels()
    {
        const string Label = "before upgrade: part 1, grün";
        using (EraServer server = StartWithThreeEras())
        {
            Assert.Equal("4", server.Command("checkpoint", "disk", "--label", Label));
            Oracle.NbdShell(server.Uri, $"h.pwrite(b'x', 6 * {BlockBytes})").AssertSuccess();
            RequireFound(server);
            server.Kill();
        }

        using EraServer again = EraServer.Start(_folder, _folder["disk"]);
        RequireFound(again);
        again.Command("labels", "disk", "--remove", Label);
        Assert.NotEqual(0, Oracle.Run("qemu-img", "map", "--image-opts", ImageOptions(again, Label)).ExitCode);

        static void RequireFound(EraServer server)
        {
            Assert.Equal([(0, 6, 0), (6, 1, 1), (7, 249, 0)], Map(server, $"era:since-{Label}"));
            Assert.Equal([(0, 6, 0), (6, 1, 1), (7, 249, 0)], Map(server, $"qemu:dirty-bitmap:since-{Label}"));
            Assert.Equal([(6, 1)], QemuDirty(server, Label));
            Assert.Contains($"qemu:dirty-bitmap:since-{Label}", Contexts(server));
        }
    }

    [Fact]
    public void A_tool_that_wants_exactly_one_bitmap_is_shown_one()
    {
        using (EraServer server = StartWithThreeEras())
        {
            server.Command("checkpoint", "disk", "--label", "before upgrade");
            Oracle.NbdShell(server.Uri, $"h.pwrite(b'x', 6 * {BlockBytes})").AssertSuccess();

            RequireOne(server.Uri.Replace("/disk?", "/disk@3?", StringComparison.Ordinal), "since-3", [(0, 2, 0), (2, 3, 1), (5, 1, 0), (6, 1, 1), (7, 249, 0)]);
            RequireOne(server.Uri.Replace("/disk?", "/disk@before%20upgrade?", StringComparison.Ordinal), "since-before upgrade", [(0, 6, 0), (6, 1, 1), (7, 249, 0)]);
            foreach (string unknown in new[] { "/disk@9?", "/disk@after?", "/disk@?", "/desk@3?" })
                Assert.NotEqual(0, Oracle.Run("nbdinfo", server.Uri.Replace("/disk?", unknown, StringComparison.Ordinal)).ExitCode);
        }

        using (EraServer server = EraServer.Start(_folder, _folder["disk"], "--bitmap", "before upgrade"))
            RequireOne(server.Uri, "since-before upgrade", [(0, 6, 0), (6, 1, 1), (7, 249, 0)]);
        ProgramResult refused = EraServer.Run(_folder, "serve", _folder["disk"], "--bitmap", "after");
        Assert.Equal((1, "era: disk has no era or label 'after'; see 'era labels' and 'era status'\n"), (refused.ExitCode, refused.Error));

        static void RequireOne(string uri, string bitmap, (int Block, int Count, int Status)[] map)
        {
            Assert.Equal(["base:allocation", $"qemu:dirty-bitmap:{bitmap}"], Contexts(uri).Order(StringComparer.Ordinal));
            Assert.Equal(map, Map(uri, $"qemu:dirty-bitmap:{bitmap}"));
        }
    }

    [Fact]
    public void Qemu_is_told_that_there_is_no_bitmap_of_an_era_to_come()
    {
        using EraServer server = StartWithThreeEras();

        ProgramResult result = Oracle.Run("qemu-img", "map", "--image-opts", ImageOptions(server, "4"));

        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("qemu:dirty-bitmap:since-4", result.Error, StringComparison.Ordinal);
    }

    private EraServer StartWithThreeEras()
    {
        EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", $"{Blocks * BlockBytes}");
        Write("h.pwrite(b'x', 0); h.pwrite(b'x', 9 * B); h.pwrite(b'x', 3 * B)");
        Assert.Equal("2", server.Command("checkpoint", "disk"));
        Write("h.zero(1, 8 * B)");
        Assert.Equal("3", server.Command("checkpoint", "disk"));
        Write("h.trim(B + 2, 3 * B - 1)");
        return server;

        void Write(string requests) => Oracle.NbdShell(server.Uri, $"B = {BlockBytes}", requests).AssertSuccess();
    }

    private static IEnumerable<string?> Contexts(EraServer server) => Contexts(server.Uri);

    private static IEnumerable<string?> Contexts(string uri)
    {
        string output = Oracle.Run("nbdinfo", "--json", uri).AssertSuccess().Output;
        return JsonElement.Parse(output).GetProperty("exports")[0].GetProperty("contexts").EnumerateArray().Select(name => name.GetString());
    }

    private static (int Block, int Count, int Status)[] Map(EraServer server, string context) => Map(server.Uri, context);

    private static (int Block, int Count, int Status)[] Map(string uri, string context)
    {
        string output = Oracle.Run("nbdinfo", "--json", $"--map={context}", uri).AssertSuccess().Output;
        return
        [
            .. JsonElement.Parse(output).EnumerateArray().Select(extent => (
                extent.GetProperty("offset").GetInt32() / BlockBytes,
                extent.GetProperty("length").GetInt32() / BlockBytes,
                extent.GetProperty("type").GetInt32())),
        ];
    }

    private static (int Block, int Count)[] QemuDirty(EraServer server, string since)
    {
        string output = Oracle.Run("qemu-img", "map", "--output=json", "--image-opts", ImageOptions(server, since)).AssertSuccess().Output;
        return
        [
            .. JsonElement.Parse(output).EnumerateArray()
                .Where(extent => !extent.GetProperty("data").GetBoolean())
                .Select(extent => (
                    extent.GetProperty("start").GetInt32() / BlockBytes,
                    extent.GetProperty("length").GetInt32() / BlockBytes)),
        ];
    }

    // A comma would end the option.
    private static string ImageOptions(EraServer server, string since) =>
        $"driver=nbd,server.type=unix,server.path={server.Socket},export=disk,"
        + $"x-dirty-bitmap=qemu:dirty-bitmap:since-{since.Replace(",", ",,", StringComparison.Ordinal)}";
}
