using DmEra.Devices;

namespace DmEra.Nbd.Handshake;

/// <summary>How replies look on the wire; each is a superset of the one before.</summary>
internal enum ReplyStyle
{
    Simple,
    Structured,
    Extended,
}

/// <summary>A metadata context under the number that stands for it in replies.</summary>
internal readonly record struct SelectedContext(uint Id, IBlockStatusContext Context);

/// <summary>What client and server have agreed on when the handshake is over.</summary>
internal sealed record NbdSession(
    NbdExport Export, ReplyStyle Style, IReadOnlyList<SelectedContext> Contexts);
