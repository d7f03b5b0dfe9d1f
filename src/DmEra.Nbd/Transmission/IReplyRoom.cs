namespace DmEra.Nbd.Transmission;

/// <summary>Where replies are laid out, one chunk behind the other.</summary>
internal interface IReplyRoom
{
    /// <summary>Room for a chunk of that size, behind those that are there.</summary>
    Span<byte> Reserve(int size);

    /// <summary>Adds what was written to the reserved room.</summary>
    void Add(int length);
}
