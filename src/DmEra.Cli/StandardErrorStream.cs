namespace DmEra.Cli;

/// <summary>The standard error. What cannot be written there is lost: the disk below a log may be full, and the device
/// is served all the same.</summary>
internal sealed class StandardErrorStream : Stream
{
    private readonly Stream _console = Console.OpenStandardError();

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Write(byte[] buffer, int offset, int count)
    {
        try { _console.Write(buffer, offset, count); }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // Full, or closed, and the number taken by a file to be read. There is nowhere left to tell it.
        }
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
