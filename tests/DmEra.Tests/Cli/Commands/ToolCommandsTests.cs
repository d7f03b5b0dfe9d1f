using System.Text.Json;
using DmEra.Cli;
using DmEra.Devices;
using DmEra.Tests.Golden;
using DmEra.Tests.Tools;

namespace DmEra.Tests.Cli.Commands;

/// <summary>The commands that work on metadata at rest: what they print, and what they end with.</summary>
public sealed class ToolCommandsTests : IDisposable
{
    private const ulong EraBlock2 = 78;         // of the image "snapshot"; it has the last 12 of 2048 blocks

    private const int UuidOffset = 16;

    private readonly TempFolder _folder = new();

    public static TheoryData<string[]> CommandsWithAnOperand =>
        [["check"], ["dump"], ["dump", "--logical"], ["dump", "--repair"], ["invalidate", "--written-since", "1"]];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Check_of_whole_metadata_says_so()
    {
        string path = Write("snapshot");

        CommandRun run = CommandRun.Of("check", path);

        Assert.Equal(ExitCode.Done, run.ExitCode);
        Assert.Equal(
            $"{path}: 2048 blocks of 64K, era 5, 18 of 1024 metadata blocks in use, metadata snapshot in block 53\n"
                + $"{path}: whole; the list of changes is right, that of the metadata snapshot is right\n",
            run.Output);
        Assert.Empty(run.Error);
    }

    [Fact]
    public void Check_locates_damage_and_fails()
    {
        string path = Write("snapshot", image => image.Flip(EraBlock2, 5));

        CommandRun run = CommandRun.Of("check", path);

        Assert.Equal(ExitCode.Failed, run.ExitCode);
        Assert.Equal(
            "damage: era array, block 78 (0 > 92 > 78): bad checksum in array block; origin blocks 2036 to 2047, eras 1 to 5: list of changes in doubt",
            run.Output.Split('\n')[0]);
        Assert.EndsWith($"{path}: 1 damaged; the list of changes cannot be trusted, that of the metadata snapshot is right\n", run.Output);
    }

    [Fact]
    public void Quiet_check_answers_with_its_exit_status_alone()
    {
        CommandRun whole = CommandRun.Of("check", "-q", Write("fresh"));
        CommandRun damaged = CommandRun.Of("check", "-q", Write("snapshot", image => image.Flip(EraBlock2, 5)));

        Assert.Equal(new CommandRun(ExitCode.Done, "", ""), whole);
        Assert.Equal(new CommandRun(ExitCode.Failed, "", ""), damaged);
    }

    [Fact]
    public void Check_fails_on_leaks_unless_told_to_ignore_them()
    {
        string path = Write("snapshot", image => image.Set64(0, 52, 17));

        Assert.Equal(ExitCode.Failed, CommandRun.Of("check", path).ExitCode);
        CommandRun run = CommandRun.Of("check", "--ignore-non-fatal-errors", path);
        Assert.Equal(ExitCode.Done, run.ExitCode);
        Assert.StartsWith("leak: space map, block 0: nr_allocated is 17, but 18 blocks have a count\n", run.Output);
    }

    [Fact]
    public void Check_passes_over_what_is_only_untidy()
    {
        CommandRun run = CommandRun.Of("check", Write("snapshot", image => image.Set32(0, 4, 6)));

        Assert.Equal(ExitCode.Done, run.ExitCode);
        Assert.StartsWith("cosmetic: superblock, block 0: unknown flags 6\n", run.Output);
    }

    [Fact]
    public void Check_of_the_superblock_alone_sees_nothing_else()
    {
        string path = Write("snapshot", image => image.Flip(EraBlock2, 5));

        Assert.Equal(ExitCode.Done, CommandRun.Of("check", "--super-block-only", path).ExitCode);
    }

    [Fact]
    public void Check_in_json_has_it_all()
    {
        CommandRun run = CommandRun.Of("check", "--json", Write("snapshot", image => image.Flip(EraBlock2, 5)));

        using JsonDocument document = JsonDocument.Parse(run.Output);
        JsonElement report = document.RootElement;
        Assert.False(report.GetProperty("trustworthy").GetBoolean());
        Assert.True(report.GetProperty("snapshotTrustworthy").GetBoolean());
        Assert.Equal(1, report.GetProperty("damage").GetInt32());
        Assert.Equal(65536, report.GetProperty("superblock").GetProperty("blockSize").GetInt32());
        JsonElement fault = report.GetProperty("faults")[0];
        Assert.Equal("damage", fault.GetProperty("level").GetString());
        Assert.Equal([0, 92, 78], fault.GetProperty("path").EnumerateArray().Select(block => block.GetInt32()));
        Assert.Equal(2036, fault.GetProperty("blocks").GetProperty("begin").GetInt32());
        Assert.Equal(2048, fault.GetProperty("blocks").GetProperty("end").GetInt32());
        Assert.Equal(1, fault.GetProperty("eras").GetProperty("first").GetInt32());
        Assert.Equal(5, fault.GetProperty("eras").GetProperty("last").GetInt32());
        Assert.True(fault.GetProperty("doubtsList").GetBoolean());
    }

    [Fact]
    public void Dump_prints_xml() =>
        Assert.Equal(GoldenImage.Load("one-era").Text("dump.xml"), CommandRun.Of("dump", Write("one-era")).Output);

    [Fact]
    public void Dump_of_damage_fails_and_leaves_no_file()
    {
        string path = Write("snapshot", image => image.Flip(EraBlock2, 5));

        string line = CommandRun.Of("dump", "-o", _folder["xml"], path).FailedWith(ExitCode.Failed);

        Assert.Equal($"era: {path}: metadata block 78: bad checksum in array block; 'era check {path}' tells what else is damaged", line);
        Assert.Equal(["meta"], Directory.GetFiles(_folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public void Repairing_dump_reports_what_is_lost_beside_the_output()
    {
        string path = Write("snapshot", image => image.Flip(EraBlock2, 5));

        CommandRun run = CommandRun.Of("dump", "--repair", path);

        Assert.Equal(ExitCode.Done, run.ExitCode);
        Assert.EndsWith("    <era block=\"2047\" era=\"5\"/>\n  </era_array>\n</superblock>\n", run.Output);
        Assert.Equal(
            $"{path}: lost: era array, block 78 (0 > 92 > 78): bad checksum in array block; origin blocks 2036 to 2047\n"
                + $"{path}: 12 of 2048 blocks count as written in era 5, because it is not known when they were\n",
            run.Error);
    }

    [Fact]
    public void Repairing_dump_of_what_is_beyond_repair_is_refused()
    {
        string path = _folder.Sparse("meta", 1 << 20);

        string line = CommandRun.Of("dump", "--repair", "-o", _folder["xml"], path).FailedWith(ExitCode.Failed);

        Assert.StartsWith($"era: {path}: superblock has magic 0", line);
        Assert.False(File.Exists(_folder["xml"]));
    }

    [Fact]
    public void Dump_and_restore_go_round()
    {
        string path = Write("undigested");

        CommandRun dump = CommandRun.Of("dump", "--format", "marked", "--output", _folder["xml"], path);
        CommandRun restore = CommandRun.Of("restore", "-i", _folder["xml"], "-o", _folder["restored"]);

        Assert.Equal(new CommandRun(ExitCode.Done, "", ""), dump);
        Assert.Equal(new CommandRun(ExitCode.Done, "", ""), restore);
        foreach (string since in new[] { "1", "5", "9" })
            Assert.Equal(Invalidate(path, since), Invalidate(_folder["restored"], since));
    }

    [Fact]
    public void A_reader_that_has_seen_enough_ends_a_tool_in_silence()
    {
        string program = Path.Combine(AppContext.BaseDirectory, "era");

        ProgramResult result = Oracle.Run("bash", "-c", $"'{program}' dump '{Write("undigested")}' | head -n 1; echo ${{PIPESTATUS[0]}}");

        Assert.Equal("<superblock uuid=\"\" block_size=\"128\" nr_blocks=\"131072\" current_era=\"9\">\n1\n", result.Output);
        Assert.Empty(result.Error);
    }

    [Fact]
    public void A_new_metadata_file_has_room_to_record_more()
    {
        string path = Write("fresh");
        CommandRun.Of("repair", "-i", path, "-o", _folder["new"]);

        Assert.Equal(4 << 20, new FileInfo(_folder["new"]).Length);
    }

    [Theory]
    [InlineData("nonsense", "line 1: text where only elements may be; is it era metadata in XML?")]
    [InlineData("", "line 1: the XML ends before </superblock>: it was cut short")]
    public void Restore_from_nonsense_leaves_the_output_alone(string xml, string cause)
    {
        File.WriteAllText(_folder["xml"], xml);
        string existing = Write("fresh");
        byte[] before = File.ReadAllBytes(existing);

        Assert.Equal($"era: {_folder["xml"]}: {cause}", CommandRun.Of("restore", "-i", _folder["xml"], "-o", existing).FailedWith(ExitCode.Failed));
        Assert.Equal(before, File.ReadAllBytes(existing));
        CommandRun.Of("restore", "-i", _folder["xml"], "-o", _folder["new"]).FailedWith(ExitCode.Failed);
        Assert.False(File.Exists(_folder["new"]));
    }

    [Fact]
    public void Restore_without_input_does_not_touch_the_output()
    {
        string existing = Write("fresh");
        byte[] before = File.ReadAllBytes(existing);

        CommandRun.Of("restore", "-i", _folder["missing"], "-o", existing).FailedWith(ExitCode.Failed);

        Assert.Equal(before, File.ReadAllBytes(existing));
    }

    [Fact]
    public void Repair_reports_what_is_lost()
    {
        string path = Write("snapshot", image => image.Flip(EraBlock2, 5));

        CommandRun run = CommandRun.Of("repair", "-i", path, "-o", _folder["new"]);

        Assert.Equal(ExitCode.Done, run.ExitCode);
        Assert.StartsWith("lost: era array, block 78 (0 > 92 > 78): bad checksum in array block; origin blocks 2036 to 2047\n", run.Output);
        Assert.Equal(ExitCode.Done, CommandRun.Of("check", "-q", _folder["new"]).ExitCode);
    }

    [Fact]
    public void Repair_without_any_superblock_asks_for_what_it_must_know()
    {
        string path = _folder.Sparse("meta", 1 << 20);

        string line = CommandRun.Of("repair", "-i", path, "-o", _folder["new"]).FailedWith(ExitCode.Failed);

        Assert.EndsWith("give 'era repair' --block-size, --nr-blocks and --current-era", line);
        Assert.False(File.Exists(_folder["new"]));
        CommandRun run = CommandRun.Of(
            "repair", "-i", path, "-o", _folder["new"], "--block-size", "64K", "--nr-blocks", "100", "--current-era", "7");
        Assert.Equal(ExitCode.Done, run.ExitCode);
        Assert.Equal("0 100\n", CommandRun.Of("invalidate", "--written-since", "7", "--format", "ranges", _folder["new"]).Output);
    }

    [Theory]
    [InlineData("--block-size", "5000")]
    [InlineData("--nr-blocks", "-1")]
    [InlineData("--current-era", "4294967296")]
    public void Repair_refuses_impossible_numbers(string option, string value) =>
        CommandRun.Of("repair", "-i", Write("fresh"), "-o", _folder["new"], option, value).FailedWith(ExitCode.Usage);

    [Fact]
    public void Repair_onto_itself_is_refused()
    {
        string path = Write("fresh");
        byte[] before = File.ReadAllBytes(path);

        Assert.EndsWith(
            "in use; the output must be neither a running device's nor the input",
            CommandRun.Of("repair", "-i", path, "-o", path).FailedWith(ExitCode.Failed));
        Assert.Equal(before, File.ReadAllBytes(path));
    }

    [Fact]
    public void Invalidate_reads_the_snapshot_beside_a_running_device()
    {
        string path = Write("snapshot");
        using FileBlockDevice running = FileBlockDevice.Open(path);

        CommandRun run = CommandRun.Of("invalidate", "--written-since", "2", "--metadata-snap", path);

        Assert.Equal(new CommandRun(ExitCode.Done, GoldenImage.Load("snapshot").Text("snapshot-since-2.xml"), ""), run);
        Assert.Equal(
            $"era: {path}: in use; stop the device first, or read its metadata snapshot (era invalidate --metadata-snapshot)",
            CommandRun.Of("invalidate", "--written-since", "2", path).FailedWith(ExitCode.Failed));
    }

    [Fact]
    public void Invalidate_says_when_there_is_no_snapshot()
    {
        string path = Write("fresh");

        Assert.Equal(
            $"era: {path}: no metadata snapshot taken",
            CommandRun.Of("invalidate", "--written-since", "1", "--metadata-snapshot", path).FailedWith(ExitCode.Failed));
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("4294967296")]
    public void Invalidate_wants_an_era(string era) =>
        CommandRun.Of("invalidate", "--written-since", era, Write("fresh")).FailedWith(ExitCode.Usage);

    [Theory, MemberData(nameof(CommandsWithAnOperand))]
    public void What_is_no_metadata_is_refused_with_its_name(string[] command)
    {
        File.WriteAllText(_folder["xml"], "<superblock uuid=\"\" block_size=\"128\" nr_blocks=\"130\" current_era=\"7\">" + new string(' ', 5000));
        File.WriteAllText(_folder["short"], "short");

        Assert.Equal($"era: {_folder["xml"]}: this looks like XML; 'era restore' makes metadata of it", Refusal("xml"));
        Assert.Equal($"era: {_folder["short"]}: too small; is this binary metadata?", Refusal("short"));
        Assert.Equal($"era: {_folder["missing"]}: No such file or directory", Refusal("missing"));
        Assert.StartsWith($"era: {_folder.Path}", Refusal("."));

        string Refusal(string name) => CommandRun.Of([.. command, _folder[name]]).FailedWith(ExitCode.Failed);
    }

    [Theory, MemberData(nameof(CommandsWithAnOperand))]
    public void Metadata_whose_checksum_begins_with_an_angle_bracket_is_no_XML(string[] command)
    {
        string path = Write("fresh", image =>
        {
            for (uint id = 0; image.Block(0)[0] != '<'; id++) image.Set32(0, UuidOffset, id);
        });

        Assert.Equal(ExitCode.Done, CommandRun.Of([.. command, path]).ExitCode);
    }

    private static string Invalidate(string path, string since) =>
        CommandRun.Of("invalidate", "--written-since", since, path).Output;

    private string Write(string golden, Action<ImageEditor>? damage = null)
    {
        ImageEditor image = new(GoldenImage.Load(golden).Metadata);
        damage?.Invoke(image);
        File.WriteAllBytes(_folder["meta"], image.Image);
        return _folder["meta"];
    }
}
