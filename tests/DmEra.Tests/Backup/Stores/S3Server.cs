using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace DmEra.Tests.Backup.Stores;

/// <summary>
/// A small object store by other people (s3rver, from npm) on the loopback, with a bucket called <c>era</c>. It can be
/// killed and started again on the same port with what it held.
/// </summary>
internal sealed class S3Server : IDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);
    private static readonly string Program =
        Path.Combine(Conventions.Repository.Root, "artifacts/s3rver/node_modules/s3rver/bin/s3rver.js");

    private readonly TempFolder _folder = new();
    private readonly int _port = FreePort();
    private Process? _process;

    public S3Server()
    {
        // The client library reads them as every AWS program does.
        Environment.SetEnvironmentVariable("AWS_ACCESS_KEY_ID", "S3RVER");
        Environment.SetEnvironmentVariable("AWS_SECRET_ACCESS_KEY", "S3RVER");
        Start();
    }

    /// <summary>Where it listens.</summary>
    public Uri Endpoint => new($"http://127.0.0.1:{_port}");

    /// <summary>Address of a repository in the bucket.</summary>
    public string AddressOf(string prefix) => $"s3+{Endpoint}era/{prefix}";

    public void Start()
    {
        Assert.True(File.Exists(Program), $"{Program} is missing: ./test installs it");
        // It pages its lists with a cipher that OpenSSL calls legacy.
        string[] arguments =
        [
            "--openssl-legacy-provider", Program,
            "-d", _folder.Path, "-a", "127.0.0.1", "-p", $"{_port}", "--configure-bucket", "era",
        ];
        _process = Process.Start(new ProcessStartInfo(Oracle.Find("node"), arguments)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        using ManualResetEventSlim listening = new();
        _process.OutputDataReceived += (_, line) =>
        {
            if (line.Data?.Contains("listening", StringComparison.Ordinal) == true) listening.Set();
        };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        Assert.True(listening.Wait(StartLimit), "s3rver does not start");
    }

    public void Kill()
    {
        _process!.Kill();
        _process.WaitForExit();
        _process.Dispose();
        _process = null;
    }

    public void Dispose()
    {
        if (_process is not null) Kill();
        _folder.Dispose();
    }

    private static int FreePort()
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
