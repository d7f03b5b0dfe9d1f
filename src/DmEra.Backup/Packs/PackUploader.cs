using System.Runtime.ExceptionServices;
using DmEra.Backup.Stores;
using DmEra.Devices.Threads;

namespace DmEra.Backup.Packs;

/// <summary>
/// Writes packs to the store, several at once, beside whoever fills the next one. Buffers are few, so that memory
/// stays bounded: who wants one waits for an upload to end. The first fault is thrown to whoever comes next.
/// </summary>
internal sealed class PackUploader : IDisposable
{
    private readonly IObjectStore _store;
    private readonly ThreadGroup _threads;
    private readonly IMonitor _lock;            // guards all fields below; pulsed when any of them changes
    private readonly Queue<Pack> _waiting = new();
    private readonly Stack<byte[]> _free = new();
    private int _buffersLeft;
    private int _underWay;
    private Exception? _fault;
    private bool _isStopping;

    /// <summary>Starts the threads.</summary>
    /// <param name="store">Where packs go.</param>
    /// <param name="fillers">Packs that are filled at the same time.</param>
    /// <param name="threads">Where the threads come from.</param>
    /// <exception cref="OutOfMemoryException">No thread is to be had.</exception>
    public PackUploader(IObjectStore store, int fillers, IThreads threads)
    {
        _store = store;
        _buffersLeft = store.Parallelism + fillers;
        _lock = threads.CreateMonitor();
        _threads = new ThreadGroup(threads);
        try
        {
            for (int i = 0; i < store.Parallelism; i++) _threads.Start($"upload {i}", Work);
        }
        catch
        {
            Dispose();      // nobody else will
            throw;
        }
    }

    /// <summary>A buffer of <see cref="PackWriter.BufferLength"/> bytes; waits until there is one.</summary>
    public byte[] RentBuffer()
    {
        using (_lock.Hold())
        {
            while (_fault is null && _free.Count == 0 && _buffersLeft == 0) _lock.Wait();
            ThrowFault();
            if (_free.TryPop(out byte[]? buffer)) return buffer;
            _buffersLeft--;
        }

        return GC.AllocateUninitializedArray<byte>(PackWriter.BufferLength);
    }

    /// <summary>Writes part of a rented buffer as an object, some time before <see cref="Drain"/> returns.</summary>
    public void Upload(string name, byte[] buffer, int start, int length)
    {
        using (_lock.Hold())
        {
            ThrowFault();
            _waiting.Enqueue(new Pack(name, buffer, start, length));
            _lock.PulseAll();
        }
    }

    /// <summary>Returns when everything handed in is durable in the store.</summary>
    public void Drain()
    {
        using (_lock.Hold())
        {
            while (_fault is null && (_waiting.Count > 0 || _underWay > 0)) _lock.Wait();
            ThrowFault();
        }
    }

    /// <summary>Ends the threads; what has not been begun is not written.</summary>
    public void Dispose()
    {
        using (_lock.Hold())
        {
            _isStopping = true;
            _lock.PulseAll();
        }

        _threads.Join();
    }

    private void Work()
    {
        while (TryTake(out Pack pack))
        {
            Exception? fault = null;
            try { _store.Put(pack.Name, pack.Buffer.AsMemory(pack.Start, pack.Length)); }
            catch (Exception caught) { fault = caught; }

            using (_lock.Hold())
            {
                _underWay--;
                _fault ??= fault;
                _free.Push(pack.Buffer);
                _lock.PulseAll();
            }
        }
    }

    private bool TryTake(out Pack pack)
    {
        using (_lock.Hold())
        {
            pack = default;
            while (!_isStopping && _fault is null && _waiting.Count == 0) _lock.Wait();
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
