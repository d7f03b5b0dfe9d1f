namespace DmEra.Devices;

/// <summary>What tells, without reading a file, that somebody has changed it.</summary>
/// <param name="Inode">Another one: it was replaced. 0 for what is no regular file.</param>
/// <param name="Length">Bytes.</param>
/// <param name="ModifiedNanoseconds">When it was last written to, since 1970; 0 for what is no regular file.</param>
public readonly record struct FileStamp(ulong Inode, long Length, long ModifiedNanoseconds);
