using System.Runtime.ExceptionServices;
using DmEra.Backup.Stores;

namespace DmEra.Backup.Packs;

/// <summary>
/// Writes packs to the store, several at once, beside whoever fills the next one. Buffers are few, so that memory
/// stays bounded: who wants one waits for an upload to end. The first fault is thrown to whoever comes next.
/// </summary>
internal sealed class PackUploader : IDisposable
{
    private readonly IObjectStore _store;
    private readonly Thread[] _threads;
    private readonly object _lock = new();      // guards all fields below; pulsed when any of them changes
    private readonly Queue<Pack> _waiting = new();
    private readonly Stack<byte[]> _free = new();
    private int _buffersLeft;
    private int _underWay;
    private Exception? _fault;
    private bool _isStopping;

    /// <summary>Starts the threads.</summary>
    /// <param name="store">Where packs go.</param>
    /// <param name="fillers">Packs that are filled at the same time.</param>
    public PackUploader(IObjectStore store, int fillers)
    {
        _store = store;
        _buffersLeft = store.Parallelism + fillers;
        _threads = new Thread[store.Parallelism];
        for (int i = 0; i < _threads.Length; i++)
        {
            _threads[i] = new Thread(Work) { Name = $"upload {i}", IsBackground = true };
            _threads[i].Start();
        }
    }

    /// <summary>A buffer of <see cref="PackWriter.BufferLength"/> bytes; waits until there is one.</summary>
    public byte[] RentBuffer()
    {
        lock (_lock)
        {
            while (_fault is null && _free.Count == 0 && _buffersLeft == 0) Monitor.Wait(_lock);
            ThrowFault();
            if (_free.TryPop(out byte[]? buffer)) return buffer;
            _buffersLeft--;
        }

        return GC.AllocateUninitializedArray<byte>(PackWriter.BufferLength);
    }

    /// <summary>Writes part of a rented buffer as an object, some time before <see cref="Drain"/> returns.</summary>
    public void Upload(string name, byte[] buffer, int start, int length)
    {
        lock (_lock)
        {
            ThrowFault();
            _waiting.Enqueue(new Pack(name, buffer, start, length));
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Returns when everything handed in is durable in the store.</summary>
    public void Drain()
    {
        lock (_lock)
        {
            while (_fault is null && (_waiting.Count > 0 || _underWay > 0)) Monitor.Wait(_lock);
            ThrowFault();
        }
    }

    /// <summary>Ends the threads; what has not been begun is not written.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _isStopping = true;
            Monitor.PulseAll(_lock);
        }

        foreach (Thread thread in _threads) thread.Join();
    }

    private void Work()
    {
        while (TryTake(out Pack pack))
        {
            Exception? fault = null;
            try { _store.Put(pack.Name, pack.Buffer.AsMemory(pack.Start, pack.Length)); }
            catch (Exception caught) { fault = caught; }

            lock (_lock)
            {
                _underWay--;
                _fault ??= fault;
                _free.Push(pack.Buffer);
                Monitor.PulseAll(_lock);
            }
        }
    }

    private bool TryTake(out Pack pack)
    {
        lock (_lock)
        {
            pack = default;
            while (!_isStopping && _fault is null && _waiting.Count == 0) Monitor.Wait(_lock);
            if (_isStopping || !_waiting.TryDequeue(out pack)) return false;
            _underWay++;
            return true;
        }
    }

    private void ThrowFault()
    {
        if (_fault is not null) ExceptionDispatchInfo.Throw(_fault);
    }

    private readonly record struct Pack(string Name, byte[] Buffer, int Start, int Length);
}
