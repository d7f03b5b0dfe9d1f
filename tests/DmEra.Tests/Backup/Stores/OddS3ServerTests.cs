using DmEra.Backup.Images;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;

namespace DmEra.Tests.Backup.Stores;

/// <summary>Servers as they are: that know half of the protocol, lose their thread, or let a key do little.</summary>
public sealed class OddS3ServerTests : IDisposable
{
    private readonly ScriptedS3 _server = new();

    public void Dispose() => _server.Dispose();

    [Theory]
    [InlineData("disk#1")]
    [InlineData("disk?x")]
    [InlineData("my backups")]
    [InlineData("größe")]
    [InlineData("100%")]
    [InlineData("my%20backups")]
    [InlineData("a+b&c=d;e@f:g,h!i'(j)*~k$")]
    public void Names_are_what_was_typed(string prefix)
    {
        using IObjectStore store = RepositoryAddress.Open($"s3+{_server.Endpoint}bkt/{prefix}", CancellationToken.None);

        store.Put("a", new byte[] { 1 });

        Assert.Equal([$"bkt/{prefix}/a"], _server.Objects.Keys);
        Assert.Equal(["a"], store.List("").Select(found => found.Name));
        Assert.Equal(1, store.Read("a", 0, new byte[2]));
        store.Delete("a");
        Assert.Empty(_server.Objects);
    }

    [Theory]
    [InlineData("s3+http://127.0.0.1/bkt/../other/x")]
    [InlineData("s3://bkt/./x")]
    [InlineData("s3+http://127.0.0.1/../x")]
    [InlineData("s3+http://key:secret@127.0.0.1/bkt/x")]
    [InlineData("s3+http://127.0.0.1?x/bkt")]
    [InlineData("s3+http:///bkt/x")]
    public void Addresses_that_would_lead_elsewhere_are_refused(string address) => Assert.StartsWith(
        $"{address}: ",
        Assert.Throws<RepositoryException>(() => RepositoryAddress.Open(address, CancellationToken.None)).Message,
        StringComparison.Ordinal);

    [Fact]
    public void A_list_that_is_cut_short_without_a_token_goes_on_behind_its_last_name()
    {
        using S3Store store = Open();
        string[] names = Fill(8);
        _server.PageLength = 3;
        _server.Token = _ => null;

        Assert.Equal(names, store.List("x/").Select(found => found.Name));
    }

    [Theory, InlineData(null), InlineData("again")]
    public void A_list_that_does_not_get_on_is_an_error(string? token)
    {
        using S3Store store = Open();
        Fill(8);
        _server.PageLength = 3;
        _server.Token = _ => token;
        _server.KnowsStartAfter = false;

        RepositoryException fault = Assert.Throws<RepositoryException>(() => store.List("x/").Count());

        Assert.Contains("does not go on", fault.Message, StringComparison.Ordinal);
        Assert.InRange(_server.Log.Count, 2, 3);
    }

    [Fact]
    public void Every_object_comes_with_a_checksum_that_a_bucket_of_locked_objects_wants()
    {
        using S3Store store = Open();
        List<string?> checksums = [];
        _server.Before = context =>
        {
            if (context.Request.HttpMethod is "PUT") checksums.Add(context.Request.Headers["Content-MD5"]);
            return null;
        };

        store.Put("a", "hello"u8.ToArray());
        store.TryCreate("b", "hello"u8.ToArray());

        Assert.Equal(["XUFAKrxLKna5cZ2REBfFkg==", "XUFAKrxLKna5cZ2REBfFkg=="], checksums);
    }

    [Theory]
    [InlineData(400, "RequestTimeout")]
    [InlineData(503, "SlowDown")]
    [InlineData(409, "ConditionalRequestConflict")]
    [InlineData(500, null)]
    public void What_may_be_over_soon_is_tried_again(int status, string? code)
    {
        using S3Store store = Open();
        int left = 2;
        _server.Before = _ => left-- > 0 ? new ScriptedS3.Answer(status, code) : null;

        store.Put("a", new byte[] { 1 });

        Assert.Equal(3, _server.Log.Count);
    }

    [Theory, InlineData(400, "InvalidArgument"), InlineData(403, "AccessDenied"), InlineData(501, "NotImplemented")]
    public void What_stays_as_it_is_is_not(int status, string code)
    {
        using S3Store store = Open();
        _server.Before = _ => new ScriptedS3.Answer(status, code);

        Assert.ThrowsAny<RepositoryException>(() => store.Put("a", new byte[] { 1 }));

        Assert.Single(_server.Log);
    }

    [Fact]
    public void A_clock_that_is_wrong_is_set_right_by_the_servers()
    {
        using S3Store store = Open();
        List<string?> signedAt = [];
        _server.Before = context =>
        {
            signedAt.Add(context.Request.Headers["X-Amz-Date"]);
            if (signedAt.Count > 1) return null;
            context.Response.Headers["Date"] = "Sat, 01 Jan 2050 00:00:00 GMT";
            return new ScriptedS3.Answer(403, "RequestTimeTooSkewed");
        };

        store.Put("a", new byte[] { 1 });

        Assert.StartsWith("20500101T", signedAt[1], StringComparison.Ordinal);
    }

    [Fact]
    public void An_object_is_made_once()
    {
        using S3Store store = Open();

        Assert.True(store.TryCreate("a", new byte[] { 1 }));
        Assert.False(store.TryCreate("a", new byte[] { 2 }));
        Assert.Equal([1], _server.Objects["bkt/r/a"]);
    }

    [Fact]
    public void An_object_whose_making_was_not_heard_of_is_found_to_be_made()
    {
        using S3Store store = Open();
        byte[] content = [1, 2, 3];
        _server.Before = context =>
        {
            if (context.Request.HttpMethod is not "PUT" || !_server.Objects.TryAdd("bkt/r/a", content)) return null;
            return new ScriptedS3.Answer(500, null);
        };

        Assert.True(store.TryCreate("a", content));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_server_that_knows_no_conditions_is_asked_what_there_is(bool saysSo)
    {
        using S3Store store = Open();
        _server.KnowsConditions = false;
        if (saysSo) _server.Before = context => context.Request.Headers["If-None-Match"] is null ? null : new ScriptedS3.Answer(501, "NotImplemented");

        Assert.True(store.TryCreate("a", new byte[] { 1 }));
        Assert.False(store.TryCreate("a", new byte[] { 2 }));
        Assert.Equal([1], _server.Objects["bkt/r/a"]);
    }

    [Fact]
    public void Part_of_an_object_is_never_taken_from_a_server_that_sends_all_of_it()
    {
        using S3Store store = Open();
        _server.Objects["bkt/r/a"] = [1, 2, 3, 4];
        _server.KnowsRanges = false;

        Assert.EndsWith(
            "cannot read a: the server does not know the Range of a request",
            Assert.Throws<RepositoryException>(() => store.Read("a", 2, new byte[2])).Message, StringComparison.Ordinal);
        Assert.Single(_server.Log);
    }

    [Fact]
    public void The_permission_that_a_key_lacks_is_named()
    {
        using S3Store store = Open();
        _server.Before = _ => new ScriptedS3.Answer(403, "AccessDenied");

        Assert.EndsWith("s3:DeleteObject", Assert.ThrowsAny<RepositoryException>(() => store.Delete("a")).Message, StringComparison.Ordinal);
        Assert.EndsWith("s3:PutObject", Assert.ThrowsAny<RepositoryException>(() => store.Put("a", new byte[1])).Message, StringComparison.Ordinal);
        Assert.EndsWith("s3:GetObject", Assert.ThrowsAny<RepositoryException>(() => store.Read("a", 0, new byte[1])).Message, StringComparison.Ordinal);
        Assert.EndsWith("s3:ListBucket", Assert.ThrowsAny<RepositoryException>(() => store.List("").Count()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_announced_a_program_is_withdrawn_though_it_was_told_to_stop_and_the_server_asks_for_patience()
    {
        using CancellationTokenSource stop = new();
        using S3Store store = new("s3", _server.Endpoint, "bkt", "r/", firstPauseMs: 2, stop.Token);
        store.Put("locks/a", new byte[1]);
        stop.Cancel();

        Assert.Throws<OperationCanceledException>(() => store.Delete("locks/a"));
        int deletions = 0;
        _server.Before = context => context.Request.HttpMethod is "DELETE" && ++deletions < 3 ? new ScriptedS3.Answer(503, "SlowDown") : null;
        store.Withdraw("locks/a");

        Assert.Empty(_server.Objects);
    }

    [Fact]
    public void A_key_that_may_not_delete_does_for_all_but_a_prune()
    {
        _server.Before = context => context.Request.HttpMethod is "DELETE" ? new ScriptedS3.Answer(403, "AccessDenied") : null;
        using Repository repository = Repository.Create(Open(), null);
        ModelSource source = new(64, lineage: Guid.NewGuid());

        ImageManifest image = repository.Backup(source);
        Assert.Equal(2u, repository.Backup(source).Number);
        Assert.Empty(repository.Verify());
        Assert.Equal(-1, repository.Restore(image).FirstDifference(source.Disk));

        RepositoryException fault = Assert.ThrowsAny<RepositoryException>(() => repository.Prune(last: 1));
        Assert.EndsWith("it takes a key that has s3:DeleteObject", fault.Message, StringComparison.Ordinal);
        Assert.Equal([1u, 2u], repository.ImageNumbers());
    }

    [Fact]
    public void Short_pages_and_a_server_that_asks_for_patience_change_nothing()
    {
        int requests = 0;
        _server.PageLength = 3;
        _server.Before = _ => Interlocked.Increment(ref requests) % 3 == 0 ? new ScriptedS3.Answer(503, "SlowDown") : null;
        using Repository repository = Repository.Create(Open(), null);
        ModelSource source = new(PackLimits.TargetLength / 512, lineage: Guid.NewGuid());
        for (int i = 0; i < 5; i++)
        {
            source.Write(i, new Random(i));
            repository.Backup(source);
            source.CurrentEra++;
        }

        Assert.Equal([1u, 2u, 3u, 4u, 5u], repository.ImageNumbers());
        Assert.Equal([4u, 5u], repository.Prune(last: 2).Kept);
        Assert.Empty(repository.Verify());
        Assert.Equal(-1, repository.Restore(repository.ReadImage(5)).FirstDifference(source.Disk));
    }

    [Fact]
    public void A_large_object_gets_the_time_that_a_slow_line_takes()
    {
        Assert.Equal(TimeSpan.FromSeconds(60), S3Requests.LimitFor(0));
        Assert.InRange(S3Requests.LimitFor(13 << 20), TimeSpan.FromMinutes(20), TimeSpan.FromMinutes(40));
    }

    private S3Store Open() => new("s3", _server.Endpoint, "bkt", "r/", firstPauseMs: 2, CancellationToken.None);

    private string[] Fill(int count)
    {
        string[] names = [.. Enumerable.Range(0, count).Select(i => $"x/{i}")];
        foreach (string name in names) _server.Objects[$"bkt/r/{name}"] = [1];
        return names;
    }
}
