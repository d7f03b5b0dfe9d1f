using DmEra.Nbd.Client;

namespace DmEra.Serving.Hosting;

/// <summary>An origin that is an export of an NBD server.</summary>
public static class RemoteOrigin
{
    /// <summary>Reads what the user typed.</summary>
    /// <returns>null: it is a path.</returns>
    /// <exception cref="SettingsException">It is a URI that makes no sense.</exception>
    public static NbdUri? Parse(string origin)
    {
        try { return NbdUri.IsUri(origin) ? NbdUri.Parse(origin) : null; }
        catch (FormatException fault) { throw new SettingsException(fault.Message); }
    }

    /// <summary>Connects to the server.</summary>
    /// <param name="uri">The export.</param>
    /// <param name="isReadOnly">Whether it is enough to read it.</param>
    /// <param name="log">Is told when the server goes away, and when it is back.</param>
    /// <exception cref="ServingException">The export cannot be written to.</exception>
    /// <exception cref="IOException">The server cannot be reached, or refuses.</exception>
    public static NbdBlockDevice Connect(NbdUri uri, bool isReadOnly, Action<string> log)
    {
        NbdBlockDevice origin = NbdBlockDevice.Open(uri, new NbdClientOptions { Log = log });
        if (isReadOnly || !origin.IsReadOnly) return origin;
        origin.Dispose();
        throw new ServingException($"{uri}: its server lets nobody write to it; have it served writable, or say --read-only");
    }
}
