using System.Runtime.InteropServices;

namespace DmEra.Cli.Serving;

/// <summary>SIGTERM, Ctrl-C and perhaps SIGHUP as a request to stop in good order. The second one ends the process at once,
/// which costs the connections, but no mark.</summary>
internal sealed class StopSignals : IDisposable
{
    private readonly TaskCompletionSource _requested = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TextWriter _error;
    private readonly PosixSignalRegistration[] _registrations;

    /// <summary>Listens for them.</summary>
    /// <param name="error">Is told how to be quicker.</param>
    /// <param name="isEndedByHangUp">Whether SIGHUP is one of them.</param>
    public StopSignals(TextWriter error, bool isEndedByHangUp = true)
    {
        _error = error;
        _registrations =
        [
            .. (isEndedByHangUp ? [PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP] : new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM })
                .Select(signal => PosixSignalRegistration.Create(signal, Handle)),
        ];
    }

    /// <summary>Completes with the first signal.</summary>
    public Task Requested => _requested.Task;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations) registration.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        if (!_requested.TrySetResult()) return;
        context.Cancel = true;
        if (context.Signal == PosixSignal.SIGINT) _error.WriteLine("era: stopping (Ctrl-C again: at once)");
    }
}
