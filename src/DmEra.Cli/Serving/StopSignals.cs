using System.Runtime.InteropServices;

namespace DmEra.Cli.Serving;

/// <summary>SIGTERM, SIGHUP and Ctrl-C as a request to stop in good order. The second one ends the process at once,
/// which costs the connections, but no mark.</summary>
internal sealed class StopSignals : IDisposable
{
    private readonly TaskCompletionSource _requested = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TextWriter _error;
    private readonly PosixSignalRegistration[] _registrations;

    public StopSignals(TextWriter error)
    {
        _error = error;
        _registrations =
        [
            .. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }
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
