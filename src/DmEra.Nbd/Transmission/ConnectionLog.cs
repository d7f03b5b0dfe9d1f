using DmEra.Devices;

namespace DmEra.Nbd.Transmission;

/// <summary>Reports for one connection, by its name. A device that fails every request does not flood the log.</summary>
internal sealed class ConnectionLog(INbdLog log, string connection)
{
    private const int MostFaults = 10;

    private int _faults;

    public void Note(string message) => log.Note($"{connection}: {message}");

    public void Fault(string message, Exception cause) => log.Fault($"{connection}: {message}", cause);

    public void Fault(in NbdRequest request, DeviceException cause)
    {
        int faults = Interlocked.Increment(ref _faults);
        if (faults > MostFaults) return;
        string more = faults == MostFaults ? " (further faults of this connection are not reported)" : "";
        Fault($"{request.Command} of {request.Length} bytes at {request.Offset}: {cause.Message}{more}", cause);
    }
}
