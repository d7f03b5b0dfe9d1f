using DmEra.Target.Chronicles;

namespace DmEra.Control;

/// <summary>Body of POST /v1/devices/NAME/messages.</summary>
/// <param name="Message">Words as the kernel's target takes them.</param>
public sealed record MessageRequest(string Message);

/// <summary>Body of POST /v1/devices/NAME/resize.</summary>
/// <param name="Size">Bytes, a multiple of 512.</param>
public sealed record ResizeRequest(long Size);

/// <summary>Answer to POST /v1/devices/NAME/pause; the connection stays open for as long as the pause is to last.</summary>
/// <param name="Era">The last era that anything was written in.</param>
/// <param name="Id">Names the pause: DELETE /v1/devices/NAME/pause/ID ends it, and answers when the device goes on.</param>
/// <param name="Next">The beginning of the era that the device goes on with; null when it has no mark.</param>
public sealed record PauseReply(uint Era, Guid Id, EraMark? Next = null);

/// <summary>Body of every answer that is not a success.</summary>
/// <param name="Error">One line: what is wrong, and what to do.</param>
public sealed record ErrorReply(string Error);
