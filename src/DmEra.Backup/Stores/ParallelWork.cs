using System.Runtime.ExceptionServices;

namespace DmEra.Backup.Stores;

/// <summary>
/// Work on many items by a few threads of their own. Not by the thread pool's: requests to an object store are waited for
/// on the thread that makes them, and need the pool to get on.
/// </summary>
internal sealed class ParallelWork<T> : IDisposable
{
    private readonly Lock _lock = new();        // guards the fields below
    private readonly IEnumerator<T> _items;
    private readonly CancellationToken _stop;
    private Exception? _fault;

    private ParallelWork(IEnumerable<T> items, CancellationToken stop)
    {
        _items = items.GetEnumerator();
        _stop = stop;
    }

    /// <summary>Runs to the end of the items or to the first fault, which is thrown once all threads have ended.</summary>
    /// <param name="items">The items; taken one by one, by one thread at a time.</param>
    /// <param name="threads">How many threads.</param>
    /// <param name="newWorker">Makes what a thread works with; it gets the thread's items.</param>
    /// <param name="stop">Ends it between items.</param>
    /// <exception cref="OperationCanceledException">It was told to stop.</exception>
    public static void Run(IEnumerable<T> items, int threads, Func<Action<T>> newWorker, CancellationToken stop)
    {
        using ParallelWork<T> work = new(items, stop);
        Thread[] all = new Thread[threads];
        for (int i = 0; i < threads; i++)
        {
            all[i] = new Thread(() => work.Loop(newWorker)) { Name = $"work {i}", IsBackground = true };
            all[i].Start();
        }

        foreach (Thread thread in all) thread.Join();
        if (work._fault is not null) ExceptionDispatchInfo.Throw(work._fault);
    }

    /// <inheritdoc/>
    public void Dispose() => _items.Dispose();

    private void Loop(Func<Action<T>> newWorker)
    {
        try
        {
            Action<T> worker = newWorker();
            while (TryNext(out T item)) worker(item);
        }
        catch (Exception fault)
        {
            lock (_lock) _fault ??= fault;
        }
    }

    private bool TryNext(out T item)
    {
        lock (_lock)
        {
            _stop.ThrowIfCancellationRequested();
            bool isThere = _fault is null && _items.MoveNext();
            item = isThere ? _items.Current : default!;
            return isThere;
        }
    }
}
