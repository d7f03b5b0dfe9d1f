using DmEra.Tests.Golden;

namespace DmEra.Tests.Cli.Offline;

/// <summary>What every tool has around it, seen from outside: the programs are processes of their own.</summary>
public sealed class ToolRunTests : IDisposable
{
    private static readonly string Era = Path.Combine(AppContext.BaseDirectory, "era");

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("INT", "check", "meta")]
    [InlineData("INT", "dump", "-o", "new", "meta")]
    [InlineData("INT", "dump", "--repair", "-o", "new", "meta")]
    [InlineData("TERM", "dump", "--logical", "-o", "new", "meta")]
    [InlineData("INT", "invalidate", "--written-since", "1", "-o", "new", "meta")]
    [InlineData("INT", "repair", "-i", "meta", "-o", "new")]
    [InlineData("HUP", "repair", "-i", "meta", "-o", "new")]
    public void A_tool_that_is_interrupted_while_it_reads_leaves_nothing_half_done(string signal, params string[] command)
    {
        byte[] image = GoldenImage.Load("undigested").Metadata;
        File.WriteAllBytes(_folder["meta"], image);

        // In its third read of the metadata comes the signal, and some time to act on it.
        ProgramResult result = Run(
            "cd \"$1\"; shift; strace -f -qq -o /dev/null -P \"$PWD/meta\" -e trace=pread64 -e inject=pread64:when=3:signal=$1:delay_exit=200000 \"${@:2}\"",
            [signal, Era, .. command]);

        Assert.Equal((signal is "INT" ? 130 : 1, "", "era: interrupted\n"), (result.ExitCode, result.Output, result.Error));
        Assert.Equal(["meta"], Directory.GetFiles(_folder.Path).Select(Path.GetFileName));
        Assert.Equal(image, File.ReadAllBytes(_folder["meta"]));
    }

    [Theory]
    [InlineData("TERM")]
    [InlineData("HUP")]
    public void A_tool_that_is_interrupted_waits_for_nobody_and_leaves_nothing_half_done(string signal)
    {
        string script = """
            cd "$1" || exit
            mkfifo xml
            "$2" restore -i xml -o new 2>error &
            exec 3>xml
            echo '<superblock uuid="" block_size="128" nr_blocks="130" current_era="7">' >&3
            printf '%300s' >&3
            until [ -s new ]; do :; done
            kill -$3 $!
            wait $!
            echo $?; cat error; ls
            """;

        ProgramResult result = Run(script, Era, signal);

        Assert.Equal("1\nera: interrupted\nerror\nxml\n", result.Output);
    }

    [Theory]
    [InlineData("restore -i pipe -o new", "TERM", 1)]
    [InlineData("restore -i pipe -o new", "HUP", 1)]
    [InlineData("dump -o pipe meta", "TERM", 2)]
    [InlineData("invalidate --written-since 1 -o pipe meta", "TERM", 2)]
    [InlineData("backups repo --key-file pipe", "TERM", 1)]
    [InlineData("verify repo --passphrase-file pipe", "TERM", 1)]
    public void A_pipe_with_nobody_at_its_other_end_is_waited_for_until_the_first_signal(string command, string signal, int open)
    {
        File.WriteAllBytes(_folder["meta"], GoldenImage.Load("undigested").Metadata);
        DmEra.Backup.Images.Repository.Create(new DmEra.Backup.Stores.FolderStore(_folder["repo"]), null).Dispose();

        // The signal comes when a thread opens the pipe to read or write: where it would wait for ever.
        ProgramResult result = Run(
            "cd \"$1\" && mkfifo pipe && strace -f -qq -o /dev/null -P \"$PWD/pipe\" -e trace=openat -e inject=openat:when=$5:signal=$4 \"$2\" ${3//pipe/$PWD/pipe}",
            Era, command, signal, $"{open}");

        Assert.Equal((1, "", "era: interrupted\n"), (result.ExitCode, result.Output, result.Error));
        Assert.Equal(["meta", "pipe", "repo"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName).Order());
    }

    [Theory, InlineData("dump meta"), InlineData("dump -o /dev/stdout meta"), InlineData("dump -o pipe meta"), InlineData("dump -o /dev/fd/1 meta")]
    public void A_reader_that_does_not_read_is_waited_for_until_the_first_signal(string command)
    {
        File.WriteAllBytes(_folder["meta"], GoldenImage.Load("undigested").Metadata);
        // A full pipe: it holds 64 KiB, and the list is longer.
        string script = """
            cd "$1" && mkfifo pipe && exec 3<>pipe || exit
            "$2" $3 >pipe 2>error & era=$!
            head -c 1 <&3 >first
            kill -TERM $era
            wait $era
            echo $?; cat error
            """;

        Assert.Equal("1\nera: interrupted\n", Run(script, Era, command).Output);
    }

    [Theory]
    [InlineData("$2 dump -o /dev/stdout meta | cat")]
    [InlineData("$2 dump -o /dev/fd/3 meta 3>&1 | cat")]
    [InlineData("$2 dump -o out meta", "ln -s /dev/stdout out")]
    [InlineData("$2 dump -o >(cat) meta | cat")]
    [InlineData("mkfifo p; cat p & $2 dump -o p meta; wait $!")]
    [InlineData("{ echo -n; $2 dump -o /dev/stdout meta; } >file; cat file")]
    public void A_pipe_is_written_to_whatever_it_is_called(string command, string before = "")
    {
        File.WriteAllBytes(_folder["meta"], GoldenImage.Load("undigested").Metadata);
        string whole = Run("\"$2\" dump \"$1/meta\"", Era).AssertSuccess().Output;

        ProgramResult result = Run($"cd \"$1\" && {(before.Length == 0 ? "true" : before)} && {command}", Era);

        Assert.Equal((whole, ""), (result.Output, result.Error));
    }

    [Theory, InlineData("dump meta"), InlineData("dump -o /dev/stdout meta"), InlineData("dump -o >(true) meta")]
    public void A_reader_that_has_seen_enough_is_no_fault_worth_a_word(string command)
    {
        File.WriteAllBytes(_folder["meta"], GoldenImage.Load("undigested").Metadata);

        ProgramResult result = Run($"cd \"$1\" && \"$2\" {command} | true; echo ${{PIPESTATUS[0]}}", Era);

        Assert.Equal(("1\n", ""), (result.Output, result.Error));
    }

    [Fact]
    public void An_output_is_durable_before_it_has_its_name()
    {
        File.WriteAllBytes(_folder["meta"], GoldenImage.Load("undigested").Metadata);

        ProgramResult result = Run(
            "cd \"$1\" && strace -f -y -qq -o calls -e trace=fsync,fdatasync,rename,renameat,renameat2 \"$2\" dump -o out meta && cat calls", Era);

        string[] calls = [.. result.AssertSuccess().Output.Split('\n').Where(line => line.Contains(_folder.Path, StringComparison.Ordinal) || line.Contains("out", StringComparison.Ordinal))];
        Assert.Collection(
            calls,
            first => Assert.Matches(@"f(data)?sync\(\d+<.*/out\.\w+\.new>\) += 0", first),
            second => Assert.Matches("rename.*\\.new.*/?out", second),
            third => Assert.Matches(@"f(data)?sync\(\d+<" + System.Text.RegularExpressions.Regex.Escape(_folder.Path) + @">\) += 0", third));
    }

    [Theory, InlineData("dump -o '' meta"), InlineData("invalidate --written-since 1 --output= meta"), InlineData("restore -i '' -o new"), InlineData("repair -i meta -o ''")]
    public void An_empty_name_is_no_file(string command)
    {
        Assert.Equal("2\n", Run($"cd \"$1\" && \"$2\" {command} 2>error; echo $?", Era).Output);
        Assert.Equal(["error"], Directory.GetFiles(_folder.Path).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("check pipe")]
    [InlineData("dump pipe")]
    [InlineData("invalidate --written-since 1 --metadata-snapshot pipe")]
    [InlineData("repair -i pipe -o new")]
    [InlineData("serve pipe")]
    [InlineData("backup pipe --to new")]
    public void A_pipe_where_a_disk_should_be_is_refused_and_not_waited_for(string command)
    {
        ProgramResult result = Run("cd \"$1\" && mkfifo pipe && ERA_RUNTIME_DIR=$1 timeout -k 1 30 \"$2\" $3", Era, command);

        Assert.Equal(
            (1, "", "era: pipe: neither a regular file nor a block device: Invalid argument\n"),
            (result.ExitCode, result.Output, result.Error));
        Assert.Equal(["pipe"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public void A_link_that_is_called_by_its_bare_name_leads_to_the_file_beside_it()
    {
        File.WriteAllBytes(_folder["meta"], GoldenImage.Load("undigested").Metadata);

        ProgramResult result = Run(
            "cd \"$1\" && ln -s old link && echo >old && \"$2\" dump -o link meta && \"$2\" dump meta | cmp - old && readlink link", Era);

        Assert.Equal((0, "old\n", ""), (result.ExitCode, result.Output, result.Error));
    }

    [Theory]
    [InlineData("dump -o out meta", "0\n")]
    [InlineData("check -q meta", "0\n")]
    [InlineData("dump -o /dev/fd/77 meta", "1\nera: /dev/fd/77: Bad file descriptor\n")]
    public void A_standard_output_that_is_closed_is_missed_by_nobody_who_does_not_print(string command, string expected)
    {
        File.WriteAllBytes(_folder["meta"], GoldenImage.Load("undigested").Metadata);

        Assert.Equal(expected, Run($"cd \"$1\" && \"$2\" {command} >&- 2>error; echo $?; cat error", Era).Output);
    }

    [Theory, InlineData("2>/dev/full"), InlineData("2>&-")]
    public void An_error_that_nobody_can_be_told_of_is_in_the_exit_status(string redirection)
    {
        ProgramResult result = Run($"\"$2\" check \"$1/none\" {redirection}; echo $?", Era);

        Assert.Equal(("1\n", ""), (result.Output, result.Error));
    }

    [Fact]
    public void A_bar_is_drawn_on_a_terminal_only_and_wiped_away()
    {
        // Both wait for their input until the bar is there; what has no terminal was started first.
        string script = """
            cd "$1" || exit
            mkfifo without with
            "$2" restore -i without -o new1 2>error &
            exec 3>without
            script -qfec "'$2' restore -i with -o new2" terminal >/dev/null </dev/null &
            exec 4>with
            until grep -q % terminal; do :; done
            for fifo in 3 4; do echo '<superblock block_size="128" nr_blocks="0" current_era="7"/>' >&$fifo; done
            exec 3>&- 4>&-
            wait
            tail -n +2 terminal
            """;

        ProgramResult result = Run(script, Era);

        Assert.Matches(@"^[^%]*(\r\[ {40}\]   0 %\e\[K)+\r\e\[K[^%]*$", result.Output);
        Assert.Empty(File.ReadAllText(_folder["error"]));
        Assert.Empty(result.Error);
        Assert.True(File.Exists(_folder["new1"]) && File.Exists(_folder["new2"]));
    }

    private ProgramResult Run(string script, params string[] arguments) =>
        Oracle.Run("bash", ["-c", script, "bash", _folder.Path, .. arguments]);
}
