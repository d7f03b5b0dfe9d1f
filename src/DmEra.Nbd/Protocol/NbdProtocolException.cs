namespace DmEra.Nbd.Protocol;

/// <summary>The client broke the protocol in a way that leaves no other answer than to end the connection.</summary>
internal sealed class NbdProtocolException(string message) : Exception(message);
