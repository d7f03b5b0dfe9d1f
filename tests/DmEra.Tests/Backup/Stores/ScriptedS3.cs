using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace DmEra.Tests.Backup.Stores;

/// <summary>An object store on the loopback that can be as odd as those in the field: what it does at a request is up to the
/// test. Signatures are not looked at.</summary>
internal sealed class ScriptedS3 : IDisposable
{
    private readonly HttpListener _listener = new();
    private readonly ConcurrentQueue<string> _log = new();

    public ScriptedS3()
    {
        // As the other server wants them: the environment belongs to all tests.
        Environment.SetEnvironmentVariable("AWS_ACCESS_KEY_ID", "S3RVER");
        Environment.SetEnvironmentVariable("AWS_SECRET_ACCESS_KEY", "S3RVER");
        Port = FreePort();
        _listener.Prefixes.Add($"http://127.0.0.1:{Port}/");
        _listener.Start();
        new Thread(Serve) { IsBackground = true }.Start();
    }

    public int Port { get; }

    public Uri Endpoint => new($"http://127.0.0.1:{Port}");

    /// <summary>What it holds, by the path of a request, decoded.</summary>
    public ConcurrentDictionary<string, byte[]> Objects { get; } = new(StringComparer.Ordinal);

    /// <summary>The requests so far, as in "PUT bucket/name".</summary>
    public IReadOnlyList<string> Log => [.. _log];

    /// <summary>Names in a page of a list.</summary>
    public int PageLength { get; set; } = 1000;

    /// <summary>The token that follows a page that ends with a name; null: none, as from old servers.</summary>
    public Func<string, string?> Token { get; set; } = last => last;

    /// <summary>Whether it goes on behind a name when it is asked to.</summary>
    public bool KnowsStartAfter { get; set; } = true;

    /// <summary>Whether it makes an object only if there is none, when it is asked to.</summary>
    public bool KnowsConditions { get; set; } = true;

    /// <summary>Whether it sends just the part of an object that is asked for.</summary>
    public bool KnowsRanges { get; set; } = true;

    /// <summary>Looks at every request first, and may answer it.</summary>
    public Func<HttpListenerContext, Answer?> Before { get; set; } = _ => null;

    // Not waited for: a thread that comes to wait just while the listener is closed is never told. It ends with the process.
    public void Dispose() => _listener.Close();

    /// <summary>What is sent instead of the usual answer.</summary>
    public sealed record Answer(int Status, string? Code);

    private static int FreePort()
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private void Serve()
    {
        while (true)
        {
            try
            {
                Handle(_listener.GetContext());
            }
            catch (Exception closed) when (closed is HttpListenerException or ObjectDisposedException or InvalidOperationException or IOException)
            {
                if (!_listener.IsListening) return;
            }
        }
    }

    private void Handle(HttpListenerContext context)
    {
        string key = Uri.UnescapeDataString(context.Request.RawUrl!.Split('?')[0])[1..];
        _log.Enqueue($"{context.Request.HttpMethod} {key}");
        using MemoryStream body = new();
        context.Request.InputStream.CopyTo(body);
        if (Before(context) is not { } answer) answer = Do(context, key, body.ToArray());
        context.Response.StatusCode = answer.Status;
        if (answer.Code is not null) Send(context, Encoding.UTF8.GetBytes($"<Error><Code>{answer.Code}</Code><Message>{answer.Code}</Message></Error>"));
        context.Response.Close();
    }

    private Answer Do(HttpListenerContext context, string key, byte[] body)
    {
        switch (context.Request.HttpMethod)
        {
            case "PUT" when KnowsConditions && context.Request.Headers["If-None-Match"] is "*":
                return Objects.TryAdd(key, body) ? new Answer(200, null) : new Answer(412, "PreconditionFailed");
            case "PUT":
                Objects[key] = body;
                return new Answer(200, null);
            case "DELETE":
                Objects.TryRemove(key, out _);
                return new Answer(204, null);
            case "GET" when key.Trim('/').Contains('/', StringComparison.Ordinal):
                return Get(context, key);
            default:
                List(context, key.Trim('/'));
                return new Answer(200, null);
        }
    }

    private Answer Get(HttpListenerContext context, string key)
    {
        if (!Objects.TryGetValue(key, out byte[]? content)) return new Answer(404, "NoSuchKey");
        if (context.Request.Headers["Range"] is not { } range || !KnowsRanges)
        {
            Send(context, content);
            return new Answer(200, null);
        }

        int[] bounds = [.. range["bytes=".Length..].Split('-').Select(bound => int.Parse(bound, CultureInfo.InvariantCulture))];
        if (bounds[0] >= content.Length) return new Answer(416, "InvalidRange");
        context.Response.StatusCode = 206;     // it goes out with the first byte
        Send(context, content[bounds[0]..Math.Min(bounds[1] + 1, content.Length)]);
        return new Answer(206, null);
    }

    private void List(HttpListenerContext context, string bucket)
    {
        System.Collections.Specialized.NameValueCollection query = context.Request.QueryString;
        string after = query["continuation-token"] ?? (KnowsStartAfter ? query["start-after"] : null) ?? "";
        string[] names =
        [
            .. Objects.Keys.Where(key => key.StartsWith($"{bucket}/{query["prefix"]}", StringComparison.Ordinal))
                .Select(key => key[(bucket.Length + 1)..])
                .Where(name => string.CompareOrdinal(name, after) > 0).Order(StringComparer.Ordinal),
        ];
        string[] page = names[..Math.Min(PageLength, names.Length)];
        string? token = page.Length < names.Length ? Token(page[^1]) : null;
        StringBuilder xml = new("<ListBucketResult>");
        xml.Append($"<IsTruncated>{(page.Length < names.Length ? "true" : "false")}</IsTruncated>");
        if (token is not null) xml.Append($"<NextContinuationToken>{WebUtility.HtmlEncode(token)}</NextContinuationToken>");
        foreach (string name in page)
        {
            xml.Append($"<Contents><Key>{WebUtility.HtmlEncode(name)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>")
                .Append($"<Size>{Objects[$"{bucket}/{name}"].Length}</Size></Contents>");
        }

        Send(context, Encoding.UTF8.GetBytes(xml.Append("</ListBucketResult>").ToString()));
    }

    private static void Send(HttpListenerContext context, byte[] content)
    {
        context.Response.ContentLength64 = content.Length;
        context.Response.OutputStream.Write(content);
    }
}
