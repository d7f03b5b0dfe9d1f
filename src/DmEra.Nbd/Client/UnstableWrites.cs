using System.Buffers;
using DmEra.Nbd.Protocol;

namespace DmEra.Nbd.Client;

/// <summary>
/// What a server has acknowledged since the last flush, in that order. A server that went away may have lost it, so it is
/// sent again to the one that comes back: nobody who wrote has to know.
/// </summary>
internal sealed class UnstableWrites(int limitBytes)
{
    private const int BytesPerEntry = 64;

    private readonly Lock _lock = new();    // guards all below
    private readonly Queue<Entry> _entries = [];
    private long _firstNumber;
    private long _bytes;

    /// <summary>Stands for all that has been added by now.</summary>
    public long Mark
    {
        get
        {
            lock (_lock) return _firstNumber + _entries.Count;
        }
    }

    /// <summary>Whether it is time for a flush.</summary>
    public bool IsFull
    {
        get
        {
            lock (_lock) return _bytes > limitBytes;
        }
    }

    /// <summary>Adds what was acknowledged, before whoever wrote it learns that.</summary>
    public void Add(in ClientRequest request, ReadOnlySpan<byte> payload)
    {
        byte[] copy = payload.IsEmpty ? [] : ArrayPool<byte>.Shared.Rent(payload.Length);
        payload.CopyTo(copy);
        lock (_lock)
        {
            _entries.Enqueue(new Entry(Repeatable(request), copy, payload.Length));
            _bytes += copy.Length + BytesPerEntry;
        }
    }

    /// <summary>Forgets what had been added when the mark was taken: a flush that began later has succeeded.</summary>
    public void Forget(long mark)
    {
        lock (_lock)
        {
            for (; _firstNumber < mark && _entries.TryDequeue(out Entry entry); _firstNumber++)
            {
                _bytes -= entry.Copy.Length + BytesPerEntry;
                if (entry.Copy.Length > 0) ArrayPool<byte>.Shared.Return(entry.Copy);
            }
        }
    }

    /// <summary>Sends all of it again; nothing may be added meanwhile, and nothing else be under way.</summary>
    /// <exception cref="ConnectionLostException">No answer came.</exception>
    /// <exception cref="IOException">The server refuses what it had acknowledged.</exception>
    public void Repeat(ClientSession session)
    {
        Entry[] entries;
        lock (_lock) entries = [.. _entries];
        foreach (Entry entry in entries)
        {
            (NbdError error, string text) = session.Next().Ask(
                entry.Request, entry.Copy.AsSpan(0, entry.PayloadLength), data: [], extents: null);
            if (error == NbdError.Shutdown) throw new ConnectionLostException("the server is shutting down");
            if (error != NbdError.None && entry.Request.Command != Command.Trim)      // which is a hint
                throw new IOException($"it refuses to repeat a {entry.Request.Command} at byte {entry.Request.Offset} that it had acknowledged: {error} {text}".TrimEnd());
        }
    }

    // Another run of the server may not be able to do fast what this one could.
    private static ClientRequest Repeatable(in ClientRequest request) => request with { Flags = request.Flags & ~CommandFlags.FastZero };

    private readonly record struct Entry(ClientRequest Request, byte[] Copy, int PayloadLength);
}
