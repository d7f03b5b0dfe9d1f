using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace DmEra.Cli.Serving;

/// <summary>Tells the service manager, if one started this process and wants to know, how it is getting on
/// (sd_notify(3)).</summary>
internal static class ServiceNotification
{
    /// <summary>Clients can come.</summary>
    public const string Ready = "READY=1";

    /// <summary>It is about to end.</summary>
    public const string Stopping = "STOPPING=1";

    /// <summary>The configuration is being read anew; <see cref="Ready"/> ends that.</summary>
    /// <remarks>With the time of the monotonic clock, by which it is told from reloads that were asked for later.</remarks>
    public static string Reloading() => string.Create(
        CultureInfo.InvariantCulture, $"RELOADING=1\nMONOTONIC_USEC={Stopwatch.GetElapsedTime(0).Ticks / TimeSpan.TicksPerMicrosecond}");

    /// <summary>Tells it.</summary>
    /// <param name="state">What there is to tell.</param>
    /// <param name="log">Learns why it cannot be told; the device is served all the same.</param>
    public static void Send(string state, Action<string> log)
    {
        if (Environment.GetEnvironmentVariable("NOTIFY_SOCKET") is not { Length: > 1 } address) return;

        // An @ stands for the NUL that begins the name of a socket which is no file.
        string path = address[0] == '@' ? $"\0{address[1..]}" : address;
        try
        {
            using Socket socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            socket.SendTo(Encoding.ASCII.GetBytes(state), new UnixDomainSocketEndPoint(path));
        }
        catch (Exception fault) when (fault is SocketException or ArgumentException)
        {
            log($"{address}: cannot notify the service manager: {fault.Message}");
        }
    }
}
