using System.Runtime.ExceptionServices;
using DmEra.Devices.Threads;

namespace DmEra.Target.Mapping;

/// <summary>Something that the worker is to do, while somebody waits for it.</summary>
internal interface IWorkerCall
{
    void Run(EraTransactions eras);
}

/// <summary>A call with a result.</summary>
internal sealed class WorkerCall<T>(Func<EraTransactions, T> body, IThreads threads) : IWorkerCall
{
    private readonly Completion _completion = new(threads);
    private ExceptionDispatchInfo? _failure;
    private T? _result;

    public void Run(EraTransactions eras)
    {
        // Whatever goes wrong is the caller's; the worker goes on.
        try { _result = body(eras); }
        catch (Exception failure) { _failure = ExceptionDispatchInfo.Capture(failure); }

        _completion.Complete();
    }

    public T Wait()
    {
        _completion.Wait();
        _failure?.Throw();
        return _result!;
    }
}
