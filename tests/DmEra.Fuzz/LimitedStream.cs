namespace DmEra.Fuzz;

/// <summary>Keeps what is written, and fails like a full disk when that becomes too much.</summary>
internal sealed class LimitedStream(int limit) : MemoryStream
{
    public override void Write(byte[] buffer, int offset, int count)
    {
        if (Length + count > limit) throw new IOException("no space left in the test");
        base.Write(buffer, offset, count);
    }
}
