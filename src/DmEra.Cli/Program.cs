using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Text;
using DmEra.Cli.Commands;
using DmEra.Devices;
using DmEra.Serving;

namespace DmEra.Cli;

/// <summary>Builds the command tree, runs one command, and turns its faults into one line and an exit code.</summary>
internal static class Program
{
    private const int OutputBuffer = 1 << 16;

    private static int Main(string[] arguments)
    {
        StreamWriter output = new(DescriptorStream.OpenStandardOutput(), new UTF8Encoding(false), OutputBuffer);
        Console.SetError(new StreamWriter(new StandardErrorStream(), new UTF8Encoding(false)) { AutoFlush = true });
        return Run(arguments, output, Console.Error);
    }

    /// <summary>Runs a command line. What is written to <paramref name="output"/> is flushed at the end.</summary>
    public static int Run(string[] arguments, StreamWriter output, TextWriter error)
    {
        int exitCode = Guard(() => ParseAndInvoke(arguments, output, error), error);
        int flushed = Guard(() => Flush(output), error);
        return exitCode == ExitCode.Done ? flushed : exitCode;
    }

    /// <summary>All commands.</summary>
    public static RootCommand Root()
    {
        RootCommand root = new("Serves disks and records which blocks were written in which era (dm-era in user space).")
        {
            ServeCommand.Create(),
            AttachCommand.Create(),
            DetachCommand.Create(),
            ReloadCommand.Create(),
            LsCommand.Create(),
            StatusCommand.Create(),
            TableCommand.Create(),
            MessageCommand.Create(),
            CheckpointCommand.Create(),
            LabelsCommand.Create(),
            ChangedCommand.Create(),
            StateCommands.CreateSuspend(),
            StateCommands.CreateResume(),
            ResizeCommand.Create(),
            StateCommands.CreateStop(),
            CheckCommand.Create(),
            DumpCommand.Create(),
            RestoreCommand.Create(),
            RepairCommand.Create(),
            InvalidateCommand.Create(),
            RollbackPlanCommand.Create(),
            BackupCommand.Create(),
            BackupsCommand.Create(),
            RestoreImageCommand.Create(),
            VerifyCommand.Create(),
            PruneCommand.Create(),
            ExportCommand.Create(),
        };
        root.Directives.Clear();
        root.Options.Clear();
        root.Options.Add(new HelpOption("--help", "-h") { Action = new HelpWithExamples() });
        root.Options.Add(new VersionOption("--version", "-V") { Recursive = true });
        return root;
    }

    private static int Guard(Func<int> run, TextWriter error)
    {
        try
        {
            return run();
        }
        catch (DeviceException fault) when (fault.Errno == Errno.EPIPE)
        {
            // Whoever read the output has seen enough.
            return ExitCode.Failed;
        }
        catch (Exception fault)
        {
            error.WriteLine(ErrorLine.For(fault));
            return fault switch
            {
                CommandException expected => expected.ExitCode,
                SettingsException => ExitCode.Usage,
                OperationCanceledException => StopToken.ExitCode,
                _ => ExitCode.Failed,
            };
        }
    }

    private static int ParseAndInvoke(string[] arguments, StreamWriter output, TextWriter error)
    {
        // No response files: a disk image may well be called @disk.
        ParseResult parse = Root().Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parse.Action is ParseErrorAction)
        {
            error.WriteLine(ErrorLine.For(parse));
            return ExitCode.Usage;
        }

        return parse.Invoke(new InvocationConfiguration
        {
            Output = output,
            Error = error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,   // 'era serve' has its own way of being stopped
        });
    }

    private static int Flush(TextWriter output)
    {
        output.Flush();
        return ExitCode.Done;
    }
}
