using System.Runtime.ExceptionServices;

namespace DmEra.Tests.Target;

/// <summary>Something done by a thread of its own.</summary>
internal sealed class Background
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly Thread _thread;
    private ExceptionDispatchInfo? _failure;

    private Background(Action body)
    {
        _thread = new Thread(() =>
        {
            try { body(); }
            catch (Exception failure) { _failure = ExceptionDispatchInfo.Capture(failure); }
        })
        {
            IsBackground = true,
        };
        _thread.Start();
    }

    public bool IsDone => !_thread.IsAlive;

    public static Background Run(Action body) => new(body);

    /// <summary>Waits for it; what it threw comes out here.</summary>
    public void Join()
    {
        Assert.True(_thread.Join(Limit), "a background thread does not end");
        _failure?.Throw();
    }
}
