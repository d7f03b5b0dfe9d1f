using DmEra.Tests;

namespace DmEra.EndToEnd.Origins;

/// <summary>Somebody else's NBD server, on a Unix socket. It can be killed and started again.</summary>
internal sealed class OriginServer : IDisposable
{
    private readonly string _program;
    private readonly string[] _arguments;
    private RunningProgram _running;

    private OriginServer(string socket, string program, params string[] arguments)
    {
        Socket = socket;
        _program = program;
        _arguments = arguments;
        _running = Start();
    }

    public string Socket { get; }

    public string Uri => $"nbd+unix:///?socket={Socket}";

    /// <summary>nbdkit with a plugin, its parameters, and filters.</summary>
    public static OriginServer Nbdkit(TempFolder folder, params string[] arguments) =>
        new(folder["origin.sock"], "nbdkit", ["--foreground", "--unix", folder["origin.sock"], .. arguments]);

    /// <summary>qemu-nbd with a raw image.</summary>
    public static OriginServer QemuNbd(TempFolder folder, string image) =>
        new(folder["origin.sock"], "qemu-nbd", "--persistent", "--shared=8", "--format=raw", $"--socket={folder["origin.sock"]}", image);

    /// <summary>Ends it as a crash would.</summary>
    public void Kill() => _running.Kill();

    /// <summary>Starts it again on the same socket.</summary>
    public void Restart()
    {
        _running.Dispose();
        _running = Start();
    }

    public void Dispose() => _running.Dispose();

    private RunningProgram Start()
    {
        File.Delete(Socket);
        RunningProgram running = new(_program, _arguments);
        Eventually.Equal("True", () => $"{File.Exists(Socket)}", $"{_program} listens");
        return running;
    }
}
