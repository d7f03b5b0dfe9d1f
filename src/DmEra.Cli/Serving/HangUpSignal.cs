using System.Runtime.InteropServices;

namespace DmEra.Cli.Serving;

/// <summary>SIGHUP as a request to do something, one at a time. Those that come meanwhile ask for one more time.</summary>
internal sealed class HangUpSignal : IDisposable
{
    private readonly SemaphoreSlim _wanted = new(0);
    private readonly PosixSignalRegistration _registration;
    private int _isWanted;

    /// <summary>Does it, in a thread of its own.</summary>
    public HangUpSignal(Action action)
    {
        Thread thread = new(() =>
        {
            while (true)
            {
                _wanted.Wait();
                Volatile.Write(ref _isWanted, 0);
                action();
            }
        })
        {
            IsBackground = true,
            Name = "era reload",
        };
        thread.Start();
        _registration = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Want);
    }

    /// <inheritdoc/>
    public void Dispose() => _registration.Dispose();

    private void Want(PosixSignalContext context)
    {
        context.Cancel = true;
        if (Interlocked.Exchange(ref _isWanted, 1) == 0) _wanted.Release();
    }
}
