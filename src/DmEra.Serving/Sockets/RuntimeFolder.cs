using System.Text;
using DmEra.Devices;

namespace DmEra.Serving.Sockets;

/// <summary>
/// The folder where served devices put their sockets, and where they are found by name:
/// <c>NAME.nbd</c> for clients, <c>NAME.ctl</c> for control.
/// </summary>
public sealed class RuntimeFolder(string path)
{
    private const string ControlExtension = ".ctl";
    private const string NbdExtension = ".nbd";
    private const int LongestNameBytes = 255 - 4;   // the file system's limit, less an extension

    private const UnixFileMode OwnerOnly =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Its path.</summary>
    public string Path { get; } = System.IO.Path.GetFullPath(path);

    /// <summary>The folder that the environment asks for: <c>$ERA_RUNTIME_DIR</c>, else
    /// <c>$XDG_RUNTIME_DIR/era</c>, else <c>/run/era</c> for root and <c>/tmp/era-UID</c> for others.</summary>
    public static RuntimeFolder FromEnvironment()
    {
        string? own = Environment.GetEnvironmentVariable("ERA_RUNTIME_DIR");
        if (!string.IsNullOrEmpty(own)) return new RuntimeFolder(own);
        string? sessions = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
        if (!string.IsNullOrEmpty(sessions)) return new RuntimeFolder(System.IO.Path.Combine(sessions, "era"));
        return new RuntimeFolder(Environment.IsPrivilegedProcess ? "/run/era" : $"/tmp/era-{SocketOwner.Me}");
    }

    /// <summary>Whether a device can have this name: it is part of a socket's file name, the export's name, and a
    /// word of a command line.</summary>
    public static bool IsName(string name) =>
        name is not ("" or "." or "..")
        && !name.StartsWith('-')
        && !name.Contains('/', StringComparison.Ordinal)
        && !name.Any(char.IsControl)
        && Encoding.UTF8.GetByteCount(name) <= LongestNameBytes;

    /// <summary>Where a device of this name listens for NBD clients.</summary>
    public string NbdSocket(string name) => System.IO.Path.Combine(Path, name + NbdExtension);

    /// <summary>Where a device of this name is controlled.</summary>
    public string ControlSocket(string name) => System.IO.Path.Combine(Path, name + ControlExtension);

    /// <summary>The control sockets in the folder, in order of their names; some may be left from a crash.</summary>
    /// <exception cref="ServingException">Others could have put them there.</exception>
    public IReadOnlyList<string> ControlSockets()
    {
        if (!Directory.Exists(Path)) return [];
        SocketOwner.RequireTrusted(Path);
        return [.. Directory.EnumerateFiles(Path, "*" + ControlExtension).Order(StringComparer.Ordinal)];
    }

    /// <summary>The control socket of a device; null when there is none of this name.</summary>
    /// <exception cref="ServingException">Others could have put it there.</exception>
    public string? FindControlSocket(string name)
    {
        if (!IsName(name) || !System.IO.Path.Exists(ControlSocket(name))) return null;
        SocketOwner.RequireTrusted(Path);
        return ControlSocket(name);
    }

    /// <summary>Makes the folder, for its owner only, if it is missing.</summary>
    /// <exception cref="ServingException">It cannot be made, or is somebody else's, or others could replace the sockets in it.</exception>
    public void Create()
    {
        try
        {
            Directory.CreateDirectory(Path, OwnerOnly);
            // Whoever it was that made it: from here on nobody else can change what is in it.
            SocketOwner.RequireTrusted(Path);
        }
        catch (Exception fault) when (fault is UnauthorizedAccessException or IOException and not ServingException)
        {
            throw new ServingException(
                $"cannot make the folder for sockets: {SystemFault.Describe(fault)}; choose another with ERA_RUNTIME_DIR", fault);
        }
    }
}
