using DmEra.Devices;
using DmEra.Nbd;
using DmEra.Target.Mapping;
using DmEra.Tests.Target;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd;

/// <summary>The history of a disk of a tebibyte, asked for with 64-bit lengths, which no client of a distribution does
/// yet.</summary>
public sealed class EraContextQueryTests : IDisposable
{
    private const ulong BlockBytes = 1 << 20;
    private const ulong DiskBytes = 1UL << 40;
    private const uint BlockSectors = (uint)BlockBytes / EraTable.SectorSize;

    private readonly TempFolder _folder = new();
    private readonly EraTarget _target;
    private readonly TestServer _server;

    public EraContextQueryTests()
    {
        EraTable table = new(0, (long)DiskBytes / EraTable.SectorSize, "meta", _folder.Sparse("disk", (long)DiskBytes), BlockSectors);
        _target = EraTarget.Create(
            table, new ProbeDevice(32 << 20), FileBlockDevice.Open(table.OriginPath), new EraTargetOptions());
        _target.Resume();
        _target.Device.Write((long)(7 * BlockBytes), new byte[512]);
        _target.Checkpoint();
        _target.Device.Write((long)(DiskBytes - 1), new byte[1]);
        _server = new TestServer(new NbdExport("", _target.Device, new EraContexts(_target)));
    }

    public void Dispose()
    {
        _server.Dispose();
        _target.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void One_reply_tells_of_the_whole_disk()
    {
        using RawClient client = Extended(_server.EndPoint, "qemu:dirty-bitmap:since-2", "era:last");

        client.Send(ExtendedRequest(CmdBlockStatus, 5, 0, DiskBytes));

        client.Expect(ExtendedChunk(0, 6, 5, 0, [
            .. U32(1), .. U32(2), .. U64(DiskBytes - BlockBytes), .. U64(0), .. U64(BlockBytes), .. U64(1)]));
        client.Expect(ExtendedChunk(1, 6, 5, 0, [
            .. U32(2), .. U32(4), .. U64(7 * BlockBytes), .. U64(0), .. U64(BlockBytes), .. U64(1),
            .. U64(DiskBytes - (9 * BlockBytes)), .. U64(0), .. U64(BlockBytes), .. U64(2)]));
    }

    [Fact]
    public void Payload_chooses_among_the_contexts()
    {
        using RawClient client = Extended(_server.EndPoint, "era:since-1", "era:since-2");

        client.Send(ExtendedRequest(
            CmdBlockStatus, 5, BlockBytes, 12, FlagPayloadLen, [.. U64(8 * BlockBytes), .. U32(1)]));

        client.Expect(ExtendedChunk(1, 6, 5, BlockBytes, [
            .. U32(1), .. U32(3), .. U64(6 * BlockBytes), .. U64(0), .. U64(BlockBytes), .. U64(1), .. U64(BlockBytes), .. U64(0)]));
    }

    [Fact]
    public void Request_for_one_extent_gets_one()
    {
        using RawClient client = Extended(_server.EndPoint, "era:since-1");

        client.Send(ExtendedRequest(CmdBlockStatus, 5, 1, DiskBytes - 1, FlagReqOne));

        client.Expect(ExtendedChunk(1, 6, 5, 1, [.. U32(1), .. U32(1), .. U64((7 * BlockBytes) - 1), .. U64(0)]));
    }

    [Fact]
    public void Contexts_are_listed_by_their_namespaces()
    {
        using RawClient client = Greeted(_server.EndPoint);
        client.Negotiate(OptExtendedHeaders);

        Assert.Equal(
            ["era:last", "era:since-2", "era:since-1", ""],
            client.Negotiate(OptListMetaContext, Queries("", "era:")).Select(Name));
        Assert.Equal(
            ["qemu:dirty-bitmap:since-2", "qemu:dirty-bitmap:since-1", ""],
            client.Negotiate(OptListMetaContext, Queries("", "qemu:dirty-bitmap:")).Select(Name));
        Assert.Equal(
            ["era:since-0", ""],
            client.Negotiate(OptListMetaContext, Queries("", "era:since-0", "era:since-3", "qemu:allocation-depth")).Select(Name));

        static string Name(OptionReply reply) => reply.Type == RepMetaContext ? reply.Text[4..] : "";
    }
}
