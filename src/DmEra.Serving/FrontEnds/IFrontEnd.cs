namespace DmEra.Serving.FrontEnds;

/// <summary>A way for clients to reach a device. To dispose of it is to stop it: it serves what clients have asked for so far, within limits, and
/// ends their connections; nothing happens when it has not started, or the second time. Every member may be called from any thread.</summary>
public interface IFrontEnd : IDisposable
{
    /// <summary>Lets clients come. Their requests wait until the device is resumed: nothing here may wait for one.</summary>
    /// <exception cref="IOException">That is not possible; the message is one line with the remedy.</exception>
    void Start();

    /// <summary>How clients reach the device, and how many do.</summary>
    FrontEndDescription Describe();
}

/// <summary>A front end at one moment.</summary>
/// <param name="Endpoints">URIs for clients.</param>
/// <param name="Connections">Clients connected.</param>
public sealed record FrontEndDescription(IReadOnlyList<string> Endpoints, int Connections);
