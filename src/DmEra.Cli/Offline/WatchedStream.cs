namespace DmEra.Cli.Offline;

/// <summary>A file to read from whose reads somebody is told of, in bytes, after they were made. What is told may
/// throw. Nobody waits for a silent pipe once <paramref name="stop"/> is cancelled.</summary>
internal sealed class WatchedStream(FileStream input, Action<int> onRead, CancellationToken stop) : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count)
    {
        int read = input.CanSeek ? input.Read(buffer, offset, count) : ReadPipe(buffer, offset, count);
        onRead(read);
        return read;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    // The system's read of a pipe cannot be called off: it is left behind.
    private int ReadPipe(byte[] buffer, int offset, int count) =>
        input.ReadAsync(buffer, offset, count, CancellationToken.None).WaitAsync(stop).GetAwaiter().GetResult();
}
