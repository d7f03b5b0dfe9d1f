using System.Runtime.ExceptionServices;

namespace DmEra.Tools.Repair;

/// <summary>Takes the eras of blocks in a row.</summary>
/// <param name="first">The first block.</param>
/// <param name="eras">Their eras; valid during the call.</param>
internal delegate void WindowAction(uint first, ReadOnlySpan<uint> eras);

/// <summary>Reads all that there is to save on a thread of its own, one window ahead of whoever uses it.</summary>
internal sealed class SalvageReader : IDisposable
{
    private const int Buffers = 2;

    private readonly Salvage _salvage;
    private readonly uint[][] _buffers = [new uint[Salvage.WindowBlocks], new uint[Salvage.WindowBlocks]];
    private readonly SemaphoreSlim _free = new(Buffers);
    private readonly SemaphoreSlim _filled = new(0);
    private volatile bool _isAbandoned;
    private volatile Exception? _failure;

    private SalvageReader(Salvage salvage) => _salvage = salvage;

    /// <summary>Reads everything.</summary>
    /// <param name="salvage">What to read.</param>
    /// <param name="action">Called for each window in ascending order, by the caller's thread.</param>
    public static void ForEachWindow(Salvage salvage, WindowAction action)
    {
        using SalvageReader reader = new(salvage);
        Thread thread = new(reader.Fill) { Name = "era salvage", IsBackground = true };
        thread.Start();
        try
        {
            reader.Use(action);
        }
        finally
        {
            reader._isAbandoned = true;
            reader._free.Release();
            thread.Join();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _free.Dispose();
        _filled.Dispose();
    }

    private void Fill()
    {
        try
        {
            for (ulong first = 0; first < _salvage.Geometry.NrBlocks; first += Salvage.WindowBlocks)
            {
                _free.Wait();
                if (_isAbandoned) return;
                _salvage.ReadEras((uint)first, Window(first));
                _filled.Release();
            }
        }
        catch (Exception failure)
        {
            _failure = failure;
            _filled.Release();
        }
    }

    private void Use(WindowAction action)
    {
        for (ulong first = 0; first < _salvage.Geometry.NrBlocks; first += Salvage.WindowBlocks)
        {
            _filled.Wait();
            if (_failure is Exception failure) ExceptionDispatchInfo.Throw(failure);
            action((uint)first, Window(first));
            _free.Release();
        }
    }

    private Span<uint> Window(ulong first) =>
        _buffers[first / Salvage.WindowBlocks % Buffers]
            .AsSpan(0, (int)Math.Min(Salvage.WindowBlocks, _salvage.Geometry.NrBlocks - first));
}
