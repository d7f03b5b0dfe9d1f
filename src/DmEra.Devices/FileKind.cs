namespace DmEra.Devices;

/// <summary>Kinds of files, as <c>stat(2)</c> has them.</summary>
public enum FileKind
{
    /// <summary>None of the others.</summary>
    Unknown = 0,

    /// <summary>A named pipe, or one between processes.</summary>
    Pipe = 0x1000,

    /// <summary>A terminal, <c>/dev/null</c> and the like.</summary>
    CharacterDevice = 0x2000,

    /// <summary>A folder.</summary>
    Folder = 0x4000,

    /// <summary>A disk, or part of one.</summary>
    BlockDevice = 0x6000,

    /// <summary>A regular file.</summary>
    Regular = 0x8000,

    /// <summary>A symbolic link, where links are not followed.</summary>
    Link = 0xA000,

    /// <summary>A socket.</summary>
    Socket = 0xC000,
}
