namespace DmEra.EndToEnd.Vm;

/// <summary>A disk of a guest: <c>/dev/disk/NAME</c> there.</summary>
/// <param name="Name">At most 20 letters.</param>
/// <param name="BlockNode">What QEMU's <c>-blockdev</c> takes, without the node's name.</param>
internal sealed record GuestDisk(string Name, string BlockNode)
{
    /// <summary>A raw image.</summary>
    public static GuestDisk File(string name, string path) =>
        new(name, $"driver=raw,discard=unmap,file.driver=file,file.discard=unmap,file.filename={Escape(path)}");

    /// <summary>An export of an NBD server on a Unix socket. Requests wait a minute for a server that went away.</summary>
    public static GuestDisk Nbd(string name, string socket, string export) =>
        new(name, $"driver=nbd,discard=unmap,reconnect-delay=60,export={Escape(export)}," +
            $"server.type=unix,server.path={Escape(socket)}");

    /// <summary>A disk of any size that takes no room: it reads as zeroes, and forgets what is written.</summary>
    public static GuestDisk Null(string name, long size) => new(name, $"driver=null-co,read-zeroes=on,size={size}");

    private static string Escape(string value) => value.Replace(",", ",,", StringComparison.Ordinal);
}
