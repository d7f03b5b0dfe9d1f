using System.Runtime.InteropServices;
using DmEra.Devices.Binary;

namespace DmEra.Nbd.Protocol;

// Every fixed part of a message, in wire order. Handshake first.

[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct Greeting
{
    public Be64 Magic;
    public Be64 OptionMagic;
    public Be16 HandshakeFlags;
}

[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct OptionHeader
{
    public Be64 Magic;
    public Be32 Option;
    public Be32 Length;
}

[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct OptionReplyHeader
{
    public Be64 Magic;
    public Be32 Option;
    public Be32 Type;
    public Be32 Length;
}

/// <summary>The answer to EXPORT_NAME, without the zeroes that may follow; also the body of INFO_EXPORT.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct ExportSize
{
    public Be64 Size;
    public Be16 TransmissionFlags;
}

[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct BlockSizes
{
    public Be32 Minimum;
    public Be32 Preferred;
    public Be32 MaximumPayload;
}

[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct CompactRequest
{
    public Be32 Magic;
    public Be16 Flags;
    public Be16 Command;
    public Be64 Cookie;
    public Be64 Offset;
    public Be32 Length;
}

[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct ExtendedRequest
{
    public Be32 Magic;
    public Be16 Flags;
    public Be16 Command;
    public Be64 Cookie;
    public Be64 Offset;
    public Be64 Length;
}

[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct SimpleReply
{
    public Be32 Magic;
    public Be32 Error;
    public Be64 Cookie;
}

[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct StructuredChunk
{
    public Be32 Magic;
    public Be16 Flags;
    public Be16 Type;
    public Be64 Cookie;
    public Be32 Length;
}

[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct ExtendedChunk
{
    public Be32 Magic;
    public Be16 Flags;
    public Be16 Type;
    public Be64 Cookie;
    public Be64 Offset;
    public Be64 Length;
}

/// <summary>The payload of OFFSET_HOLE.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct Hole
{
    public Be64 Offset;
    public Be32 Length;
}

/// <summary>The start of the payload of ERROR; a text of that length follows.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct ErrorPayload
{
    public Be32 Error;
    public Be16 TextLength;
}

/// <summary>One extent of BLOCK_STATUS, whose payload starts with a 32-bit context id.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct BlockDescriptor
{
    public Be32 Length;
    public Be32 Status;
}

/// <summary>The start of the payload of BLOCK_STATUS_EXT.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct ExtendedStatusPayload
{
    public Be32 ContextId;
    public Be32 Count;
}

[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct ExtendedBlockDescriptor
{
    public Be64 Length;
    public Be64 Status;
}
