using DmEra.Target.Chronicles;

namespace DmEra.Control;

/// <summary>A pause of a served device, held through its control socket.</summary>
public sealed class ControlPause : IDisposable
{
    private readonly IDisposable _connection;
    private readonly Func<CancellationToken, Task> _end;

    internal ControlPause(IDisposable connection, PauseReply pause, Func<CancellationToken, Task> end)
    {
        _connection = connection;
        Era = pause.Era;
        Next = pause.Next;
        _end = end;
    }

    /// <summary>The last era that anything was written in.</summary>
    public uint Era { get; }

    /// <summary>The beginning of the era that the device goes on with; null when it has no mark.</summary>
    public EraMark? Next { get; }

    /// <summary>Ends the pause; completes when the device goes on.</summary>
    /// <exception cref="ControlException">It cannot go on yet, and tries again until it can; or the pause was over.</exception>
    public Task EndAsync(CancellationToken cancellation) => _end(cancellation);

    /// <summary>Lets go of the pause without waiting for the device to go on.</summary>
    public void Dispose() => _connection.Dispose();
}
