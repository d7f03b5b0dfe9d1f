namespace DmEra.Nbd;

/// <summary>Limits and collaborators of a server.</summary>
public sealed record NbdServerOptions
{
    /// <summary>Further connections are closed at once.</summary>
    public int MaxConnections { get; init; } = 100;

    /// <summary>How long a client may take to choose an export.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long <see cref="NbdServer.Stop"/> waits for requests under way and for clients to take their
    /// replies.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Where to report.</summary>
    public INbdLog Log { get; init; } = new SilentLog();

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
