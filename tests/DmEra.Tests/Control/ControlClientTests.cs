using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using DmEra.Control;
using DmEra.Devices;
using DmEra.Target.History;
using DmEra.Tools.Restore;

namespace DmEra.Tests.Control;

/// <summary>What the client makes of servers that fail; that it gets along with those that work is shown where the
/// commands are tested.</summary>
public sealed class ControlClientTests : IDisposable
{
    private const int EntriesPerBlock = 1018;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("")]
    [InlineData("NBDMAGICIHAVEOPT")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nnull")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")]
    [InlineData("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello")]
    [InlineData("HTTP/1.1 500 Oh\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")]
    [InlineData("HTTP/1.1 500 Oh\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\nx")]
    public async Task A_server_that_talks_nonsense_is_one_line(string answer)
    {
        string path = _folder["socket"];
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        Task server = AnswerAll(listener, answer);
        using ControlClient client = new(path);

        ControlException fault = await Assert.ThrowsAsync<ControlException>(() => client.DescribeAsync(default));

        Assert.StartsWith($"{path}: ", fault.Message);
        Assert.DoesNotContain('\n', fault.Message);
        listener.Dispose();
        await server;
    }

    [Fact]
    public async Task Half_a_list_of_changes_is_never_taken_for_a_whole_one()
    {
        // More than a million blocks: the list is on its way when its reader comes to the damage.
        const int BlockCount = 1_200_000;
        TempFolder folder = new();
        MakeMetadata(folder.Sparse(ServedDisk.Metadata, 16 << 20), BlockCount, written: 40_000);
        folder.Sparse(ServedDisk.Origin, (long)BlockCount * ServedDisk.BlockSize);
        await using ServedDisk disk = await ServedDisk.StartAsync(folder, BlockCount);
        disk.IsDamaged = true;
        using ControlClient client = new(disk.ControlSocket);
        using MemoryStream list = new();

        ControlException fault = await Assert.ThrowsAsync<ControlException>(
            () => client.CopyChangesAsync("5", ChangeListFormat.Ranges, list, default));

        Assert.Contains("the list broke off", fault.Message, StringComparison.Ordinal);
        Assert.NotEqual(0, list.Length);
        Assert.Matches("^/v1/device/changed.*: broken off: .*checksum", Assert.Single(disk.Log));
    }

    // A client that gets nothing may ask once more.
    private static async Task AnswerAll(Socket listener, string answer)
    {
        while (true)
        {
            try
            {
                using Socket client = await listener.AcceptAsync();
                await client.ReceiveAsync(new byte[4096]);
                await client.SendAsync(Encoding.ASCII.GetBytes(answer));
            }
            catch (SocketException closed) when (closed.SocketErrorCode == SocketError.OperationAborted)
            {
                return;
            }
        }
    }

    // Every other block of the first ones was written in era 5; the last piece of the era array, which is like no other, is damaged.
    private static void MakeMetadata(string path, int blockCount, int written)
    {
        StringBuilder xml = new($"""<superblock uuid="" block_size="8" nr_blocks="{blockCount}" current_era="5"><era_array>""");
        for (int block = 0; block < written; block += 2) xml.Append($"<era block=\"{block}\" era=\"5\"/>");
        xml.Append($"<era block=\"{blockCount - 1}\" era=\"5\"/></era_array></superblock>");
        using FileBlockDevice metadata = FileBlockDevice.Open(path);
        MetadataRestorer.Restore(new MemoryStream(Encoding.ASCII.GetBytes(xml.ToString())), metadata);

        byte[] block4K = new byte[4096];
        for (long offset = metadata.Length - block4K.Length; ; offset -= block4K.Length)
        {
            metadata.Read(offset, block4K);
            if (!IsEraArrayBlock(block4K) || EraOf(block4K, (blockCount - 1) % EntriesPerBlock) != 5) continue;
            metadata.Write(offset, new byte[4]);    // its checksum
            return;
        }
    }

    private static bool IsEraArrayBlock(ReadOnlySpan<byte> block) =>
        BinaryPrimitives.ReadUInt32LittleEndian(block[4..]) == EntriesPerBlock && BinaryPrimitives.ReadUInt32LittleEndian(block[12..]) == 4;

    private static uint EraOf(ReadOnlySpan<byte> block, int entry) => BinaryPrimitives.ReadUInt32LittleEndian(block[(24 + (4 * entry))..]);
}
