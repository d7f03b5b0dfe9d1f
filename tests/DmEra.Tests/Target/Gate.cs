namespace DmEra.Tests.Target;

/// <summary>A place in which a device operation is held until the test lets it go.</summary>
internal sealed class Gate : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim _arrived = new(0);
    private readonly ManualResetEventSlim _open = new();

    /// <summary>Called by the operation.</summary>
    public void Pass()
    {
        if (_open.IsSet) return;
        _arrived.Release();
        Assert.True(_open.Wait(Limit), "the gate was never opened");
    }

    /// <summary>Waits until an operation is held.</summary>
    public void UntilArrived() => Assert.True(_arrived.Wait(Limit), "nothing arrived at the gate");

    /// <summary>Lets go of all, now and later.</summary>
    public void Open() => _open.Set();

    public void Dispose()
    {
        Open();
        _arrived.Dispose();
    }
}
