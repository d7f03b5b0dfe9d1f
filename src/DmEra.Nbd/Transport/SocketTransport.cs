using System.Net.Sockets;

namespace DmEra.Nbd.Transport;

/// <summary>A blocking stream socket. No asynchronous call may ever reach it (docs/decisions/0001).</summary>
internal sealed class SocketTransport(Socket socket) : INbdTransport
{
    private readonly ReceivePolling _polling = new();

    public int Receive(Span<byte> buffer)
    {
        try { return _polling.Receive(socket, buffer); }
        catch (SocketException) { return 0; }
        catch (ObjectDisposedException) { return 0; }
    }

    public bool TrySend(ReadOnlySpan<byte> data)
    {
        try
        {
            while (!data.IsEmpty) data = data[socket.Send(data)..];
        }
        catch (SocketException) { return false; }
        catch (ObjectDisposedException) { return false; }

        return true;
    }

    public void StopReceiving() => Shutdown(SocketShutdown.Receive);

    public void Abort() => Shutdown(SocketShutdown.Both);

    public void Dispose() => socket.Dispose();

    private void Shutdown(SocketShutdown how)
    {
        try { socket.Shutdown(how); }
        catch (SocketException) { /* The peer was faster. */ }
        catch (ObjectDisposedException) { /* The connection was faster. */ }
    }
}
