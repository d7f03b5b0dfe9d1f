using System.Runtime.ExceptionServices;
using DmEra.Devices.Threads;

namespace DmEra.Backup.Stores;

/// <summary>
/// Work on many items by a few threads of their own. Not by the thread pool's: requests to an object store are waited for
/// on the thread that makes them, and need the pool to get on.
/// </summary>
internal sealed class ParallelWork<T> : IDisposable
{
    private readonly IMonitor _lock;            // guards the fields below, and taking an item, which may wait for a store
    private readonly IEnumerator<T> _items;
    private readonly CancellationToken _stop;
    private Exception? _fault;

    private ParallelWork(IThreads threads, IEnumerable<T> items, CancellationToken stop)
    {
        _lock = threads.CreateMonitor();
        _items = items.GetEnumerator();
        _stop = stop;
    }

    /// <summary>Runs to the end of the items or to the first fault, which is thrown once all threads have ended.</summary>
    /// <param name="threads">Where the threads come from.</param>
    /// <param name="items">The items; taken one by one, by one thread at a time.</param>
    /// <param name="count">How many threads.</param>
    /// <param name="newWorker">Makes what a thread works with; it gets the thread's items.</param>
    /// <param name="stop">Ends it between items.</param>
    /// <exception cref="OperationCanceledException">It was told to stop.</exception>
    public static void Run(IThreads threads, IEnumerable<T> items, int count, Func<Action<T>> newWorker, CancellationToken stop)
    {
        using ParallelWork<T> work = new(threads, items, stop);
        ThreadGroup group = new(threads);
        try
        {
            for (int i = 0; i < count; i++) group.Start($"work {i}", () => work.Loop(newWorker));
        }
        catch (Exception fault)
        {
            work.Fail(fault);       // ends those that have started
        }

        group.Join();
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
            Fail(fault);
        }
    }

    private void Fail(Exception fault)
    {
        using MonitorHold hold = _lock.Hold();
        _fault ??= fault;
    }

    private bool TryNext(out T item)
    {
        using MonitorHold hold = _lock.Hold();
        _stop.ThrowIfCancellationRequested();
        bool isThere = _fault is null && _items.MoveNext();
        item = isThere ? _items.Current : default!;
        return isThere;
    }
}
