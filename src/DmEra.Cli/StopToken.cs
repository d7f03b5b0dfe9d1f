using System.Runtime.InteropServices;

namespace DmEra.Cli;

/// <summary>Ctrl-C and SIGTERM as a token, for commands that must not leave things half done; a second one ends the
/// process at once.</summary>
internal sealed class StopToken : IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;

    public StopToken() =>
        _registrations = [Register(PosixSignal.SIGINT), Register(PosixSignal.SIGTERM), Register(PosixSignal.SIGHUP)];

    /// <summary>What a command ends with that was stopped: a signal is sent to the process, not to one of its commands.</summary>
    public static int ExitCode { get; private set; } = Cli.ExitCode.Failed;

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => _source.Token;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations) registration.Dispose();
        _source.Dispose();
    }

    private PosixSignalRegistration Register(PosixSignal signal) => PosixSignalRegistration.Create(signal, Stop);

    private void Stop(PosixSignalContext context)
    {
        context.Cancel = !_source.IsCancellationRequested;
        if (context.Signal == PosixSignal.SIGINT) ExitCode = Cli.ExitCode.Interrupted;
        _source.Cancel();
    }
}
