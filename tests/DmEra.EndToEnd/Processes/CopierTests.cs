using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>Backup tools that go by a bitmap of QEMU's, each in its way, get what changed.</summary>
public sealed class CopierTests : IDisposable
{
    private const long Size = 5L << 30;     // more than a request can ask for

    // As virtnbdbackup does: one context, queries as long as 32 bits allow, neighbours joined, reads of the announced maximum.
    private const string OneContext = """
        import nbd, sys
        uri, context, copy = sys.argv[1:]
        h = nbd.NBD()
        h.set_tls(nbd.TLS_ALLOW)
        h.add_meta_context(context)
        h.connect_uri(uri)
        size, longest = h.get_size(), h.get_block_size(nbd.SIZE_MAXIMUM)
        longest_query = 0xffffffff - (h.get_block_size(nbd.SIZE_MINIMUM) or 512) + 1
        entries = []
        def add(name, offset, more, error):
            assert name == context
            entries.extend(more)
        while sum(entries[0::2]) < size:
            at = sum(entries[0::2])
            h.block_status(min(size - at, longest_query), at, add)
        with open(copy, 'r+b') as file:
            at = 0
            for length, status in zip(entries[0::2], entries[1::2]):
                assert status in ((0, 3) if context == 'base:allocation' else (0, 1))
                if status == (0 if context == 'base:allocation' else 1):
                    for part in range(at, at + length, longest):
                        file.seek(part)
                        file.write(h.pread(min(longest, at + length - part), part))
                at += length
        h.shutdown()
        """;

    // As imageio does: allocation and bitmap in one reply, merged; what is dirty and a hole is cleared without being read.
    private const string TwoContexts = """
        import nbd, sys
        uri, context, copy = sys.argv[1:]
        h = nbd.NBD()
        h.add_meta_context('base:allocation')
        h.add_meta_context(context)
        h.connect_uri(uri)
        size, at = h.get_size(), 0
        with open(copy, 'r+b') as file:
            while at < size:
                found = {}
                h.block_status(min(size - at, 1 << 30), at, lambda name, offset, more, error: found.update({name: more}))
                end = at + min(sum(more[0::2]) for more in found.values())
                while at < end:
                    length = min(found[name][0] for name in found)
                    if found[context][1] == 1:
                        file.seek(at)
                        file.write(bytes(length) if found['base:allocation'][1] == 3 else h.pread(length, at))
                    for more in found.values():
                        more[0] -= length
                        if more[0] == 0: del more[:2]
                    at += length
        h.shutdown()
        """;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(OneContext)]
    [InlineData(TwoContexts)]
    public void What_changed_since_a_copy_makes_it_whole_again(string copier)
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", $"{Size}");
        Write(server, "h.pwrite(b'1' * (30 << 20), 1 << 20); h.pwrite(b'1' * (5 << 20), 31 << 20); h.pwrite(b'2' * 70000, (5 << 30) - 70000)");
        string era = server.Command("checkpoint", "disk");
        string copy = _folder.Sparse("copy", Size);
        Copy(OneContext, server, "base:allocation");
        RequireSame();
        Write(server, "h.pwrite(b'3', 2 << 20); h.trim(16 << 20, 8 << 20); h.pwrite(b'4' * 70000, (4 << 30) - 30000)");

        Copy(copier, server, $"qemu:dirty-bitmap:since-{era}");

        RequireSame();

        void RequireSame() => Oracle.Run("qemu-img", "compare", "-f", "raw", "-F", "raw", server.Uri, copy).AssertSuccess();
    }

    private static void Write(EraServer server, string requests) => Oracle.NbdShell(server.Uri, requests).AssertSuccess();

    private void Copy(string copier, EraServer server, string context) =>
        Oracle.Run("/usr/bin/python3", "-c", copier, server.Uri, context, _folder["copy"]).AssertSuccess();
}
