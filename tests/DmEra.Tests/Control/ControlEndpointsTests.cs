using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using DmEra.Control;
using DmEra.Serving.Sockets;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Control;

/// <summary>The resources as <c>curl --unix-socket</c> sees them.</summary>
public sealed class ControlEndpointsTests : IAsyncLifetime
{
    private ServedDisk _disk = null!;
    private HttpClient _http = null!;   // disposed of by DisposeAsync

    public async Task InitializeAsync()
    {
        _disk = await ServedDisk.StartAsync();
        _http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(_disk.ControlSocket), cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            },
            ResponseDrainTimeout = TimeSpan.Zero,
        })
        {
            BaseAddress = new Uri("http://localhost"),
            Timeout = TimeSpan.FromSeconds(30),
        };
    }

    public async Task DisposeAsync()
    {
        _http.Dispose();
        await _disk.DisposeAsync();
    }

    [Fact]
    public async Task Device_says_all_there_is_to_say()
    {
        using HttpResponseMessage response = await _http.GetAsync("/v1/device");
        string body = await response.Content.ReadAsStringAsync();
        JsonElement device = JsonElement.Parse(body);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        Assert.EndsWith("}\n", body);
        Assert.Equal("disk", device.GetProperty("name").GetString());
        Assert.Equal("active", device.GetProperty("state").GetString());
        Assert.Equal(_disk.Device.Target.Status.ToString(), device.GetProperty("status").GetString());
        Assert.Equal(_disk.Device.Target.Table.ToString(), device.GetProperty("table").GetString());
        Assert.Equal(1u, device.GetProperty("currentEra").GetUInt32());
        Assert.Equal(65536, device.GetProperty("size").GetInt64());
        Assert.Equal(4096, device.GetProperty("blockSize").GetInt64());
        Assert.Equal(JsonValueKind.Null, device.GetProperty("metadataSnapshot").ValueKind);
        Assert.Equal(JsonValueKind.Null, device.GetProperty("failureReason").ValueKind);
        Assert.StartsWith("nbd+unix:///disk?socket=", device.GetProperty("endpoints")[0].GetString());
        Assert.Equal(0, device.GetProperty("connections").GetInt32());
        Assert.Equal(Environment.ProcessId, device.GetProperty("processId").GetInt32());
    }

    [Theory]
    [InlineData("ranges", "text/plain", "0 2\n5 6\n")]
    [InlineData("xml", "application/xml",
        "<blocks>\n  <range begin=\"0\" end = \"2\"/>\n  <block block=\"5\"/>\n</blocks>\n")]
    [InlineData("json", "application/json",
        "{\"since\":1,\"currentEra\":1,\"mark\":\"MARK\",\"blockSize\":4096,\"blockCount\":16,\"ranges\":[\n[0,2],\n[5,6]\n]}\n")]
    public async Task Changes_come_in_every_format(string format, string mediaType, string list)
    {
        _disk.WriteBlock(0);
        _disk.WriteBlock(1);
        _disk.WriteBlock(5);

        using HttpResponseMessage response = await _http.GetAsync($"/v1/device/changed?since=1&format={format}");

        Assert.Equal(mediaType, response.Content.Headers.ContentType?.MediaType);
        Assert.Equal(
            list.Replace("MARK", $"{_disk.Device.Target.MarkOf(1)}", StringComparison.Ordinal), await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Checkpoint_answers_the_new_era()
    {
        string reply = await PostAsync(HttpStatusCode.OK, "checkpoint", "");
        Assert.Equal($$"""{"era":2,"mark":"{{_disk.Device.Target.MarkOf(2)}}"}""", reply);
        _disk.WriteBlock(3);
        Assert.Equal("3 4\n", await _http.GetStringAsync("/v1/device/changed?since=2&format=ranges"));
    }

    [Fact]
    public async Task A_pause_lasts_until_whoever_asked_for_it_is_gone()
    {
        using (HttpResponseMessage pause = await PauseAsync())
        {
            Assert.Equal("paused", await StateAsync());
            string error = await PostAsync(HttpStatusCode.Conflict, "pause", "");
            Assert.Contains("paused already", error, StringComparison.Ordinal);
            Assert.Contains("paused already", await PostAsync(HttpStatusCode.Conflict, "resume", ""), StringComparison.Ordinal);
            Assert.Equal("paused", await StateAsync());
        }

        // Waits until the device goes on.
        await Task.Run(() => _disk.WriteBlock(0)).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(2u, _disk.Device.Target.Status.CurrentEra);
    }

    [Fact]
    public async Task A_pause_is_ended_by_its_name_and_the_answer_says_that_the_device_goes_on()
    {
        using ControlClient client = new(_disk.ControlSocket);
        using ControlPause pause = await client.PauseAsync(CancellationToken.None);
        Assert.Equal(1u, pause.Era);
        Assert.Equal("paused", await StateAsync());

        await pause.EndAsync(CancellationToken.None);
        Assert.Equal("active", await StateAsync());
        ControlException over = await Assert.ThrowsAsync<ControlException>(() => pause.EndAsync(CancellationToken.None));
        Assert.Contains("it is over", over.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_device_that_is_suspended_during_a_pause_stays_suspended()
    {
        using ControlClient client = new(_disk.ControlSocket);
        using ControlPause pause = await client.PauseAsync(CancellationToken.None);
        await PostAsync(HttpStatusCode.NoContent, "suspend", "");
        await pause.EndAsync(CancellationToken.None);

        Assert.Equal("suspended", await StateAsync());
        await PostAsync(HttpStatusCode.NoContent, "resume", "");
        Assert.Equal("active", await StateAsync());
    }

    [Fact]
    public async Task A_pause_is_over_when_its_device_is_stopped()
    {
        using HttpResponseMessage pause = await PauseAsync();
        _disk.Device.Stop();

        // To its end, which comes by itself.
        Assert.Contains("\"era\": 1", await pause.Content.ReadAsStringAsync().WaitAsync(TimeSpan.FromSeconds(60)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_era_that_has_not_begun_has_no_list_of_changes()
    {
        using HttpResponseMessage response = await _http.GetAsync("/v1/device/changed?since=2");

        Assert.Equal(HttpStatusCode.Conflict, response.StatusCode);
        Assert.Contains("era 2 has not begun", Error(await response.Content.ReadAsStringAsync()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Messages_are_the_kernels_in_upper_or_lower_case()
    {
        await PostAsync(HttpStatusCode.NoContent, "messages", """{"message":"Take_Metadata_Snap"}""");
        Assert.NotEqual(0u, _disk.Device.Target.Status.MetadataSnapshot);

        string error = await PostAsync(HttpStatusCode.Conflict, "messages", """{"message":"take_metadata_snap"}""");
        Assert.Contains("metadata snapshot already exists", error, StringComparison.Ordinal);

        await PostAsync(HttpStatusCode.NoContent, "messages", """{"message":"drop_metadata_snap"}""");
        Assert.Equal(0u, _disk.Device.Target.Status.MetadataSnapshot);
    }

    [Fact]
    public async Task A_suspended_device_resumes_in_a_new_era()
    {
        await PostAsync(HttpStatusCode.NoContent, "suspend", "");
        Assert.Equal("suspended", await StateAsync());
        Assert.Contains("resume it first", await PostAsync(HttpStatusCode.Conflict, "checkpoint", ""), StringComparison.Ordinal);
        await PostAsync(HttpStatusCode.NoContent, "resume", "");
        Assert.Equal("active", await StateAsync());
        Assert.Equal(2u, _disk.Device.Target.Status.CurrentEra);
    }

    [Fact]
    public async Task A_device_grows_and_shrinks_within_its_origin()
    {
        await PostAsync(HttpStatusCode.NoContent, "resize", """{"size":131072}""");
        Assert.Equal(131072, _disk.Device.Target.Device.Length);
        await PostAsync(HttpStatusCode.NoContent, "resize", """{"size":32768}""");
        Assert.Equal(32768, _disk.Device.Target.Device.Length);

        await PostAsync(HttpStatusCode.Conflict, "resize", """{"size":262144}""");
        Assert.Equal(32768, _disk.Device.Target.Device.Length);
    }

    [Fact]
    public async Task Stop_answers_when_the_device_can_be_served_again()
    {
        await PostAsync(HttpStatusCode.NoContent, "stop", "");

        Assert.False(File.Exists(_disk.ControlSocket));
        Assert.Null(await _disk.Device.Stopped);
        EraTarget.Create(_disk.Device.Target.Table, new EraTargetOptions()).Dispose();
    }

    [Fact]
    public async Task A_stopped_device_leaves_its_socket_to_its_successor()
    {
        await PostAsync(HttpStatusCode.NoContent, "stop", "");
        using UnixListener successor = new(_disk.ControlSocket);
        await _disk.StopControlAsync();

        Assert.True(File.Exists(_disk.ControlSocket));
    }

    [Theory]
    [InlineData("changed")]
    [InlineData("changed?since=")]
    [InlineData("changed?since=1&since=2")]
    [InlineData("changed?since=1&format=yaml")]
    public async Task Wrong_queries_are_refused(string query)
    {
        using HttpResponseMessage response = await _http.GetAsync($"/v1/device/{query}");

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Matches("^since|^format", Error(await response.Content.ReadAsStringAsync()));
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("x")]
    [InlineData("4294967296")]
    [InlineData("1:59f04cd3-dc06-4352-847f-3c83cfc2dcf9")]
    public async Task Eras_that_this_history_does_not_have_are_refused(string name)
    {
        foreach (string query in (string[])["changed?since=", "era?name="])
        {
            using HttpResponseMessage response = await _http.GetAsync($"/v1/device/{query}{name}");

            Assert.Equal(HttpStatusCode.Conflict, response.StatusCode);
            Assert.Contains(name, Error(await response.Content.ReadAsStringAsync()), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task An_era_is_found_by_its_number_and_by_its_mark()
    {
        Guid mark = _disk.Device.Target.MarkOf(1)!.Value;

        foreach (string name in (string[])["1", $"1:{mark}"])
        {
            using JsonDocument era = JsonDocument.Parse(await _http.GetStringAsync($"/v1/device/era?name={name}"));
            Assert.Equal(1u, era.RootElement.GetProperty("era").GetUInt32());
            Assert.Equal(mark, era.RootElement.GetProperty("mark").GetGuid());
        }
    }

    [Theory]
    [InlineData("messages", "")]
    [InlineData("messages", "checkpoint")]
    [InlineData("messages", "null")]
    [InlineData("messages", "{}")]
    [InlineData("messages", """{"message":null}""")]
    [InlineData("messages", """{"message":7}""")]
    [InlineData("resize", "{}")]
    [InlineData("resize", """{"size":"1G"}""")]
    [InlineData("resize", """{"size":0}""")]
    [InlineData("resize", """{"size":-512}""")]
    [InlineData("resize", """{"size":513}""")]
    [InlineData("resize", """{"size":1e300}""")]
    public async Task Wrong_bodies_are_refused(string resource, string body) =>
        await PostAsync(HttpStatusCode.BadRequest, resource, body);

    [Fact]
    public async Task A_body_without_end_is_refused() =>
        await PostAsync(HttpStatusCode.RequestEntityTooLarge, "messages", new string(' ', 100_000));

    [Theory]
    [InlineData("GET", "/", HttpStatusCode.NotFound)]
    [InlineData("GET", "/v1/devices/other", HttpStatusCode.NotFound)]
    [InlineData("GET", "/v1/device/checkpoint", HttpStatusCode.MethodNotAllowed)]
    [InlineData("DELETE", "/v1/device", HttpStatusCode.MethodNotAllowed)]
    public async Task Other_resources_and_methods_do_not_exist(string method, string path, HttpStatusCode status)
    {
        using HttpRequestMessage request = new(new HttpMethod(method), path);
        using HttpResponseMessage response = await _http.SendAsync(request);

        Assert.Equal(status, response.StatusCode);
    }

    // Posts, and returns the body, or the error in it.
    private async Task<string> PostAsync(HttpStatusCode status, string resource, string body)
    {
        using StringContent content = new(body, Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await _http.PostAsync($"/v1/device/{resource}", content);
        string reply = await response.Content.ReadAsStringAsync();
        Assert.True(status == response.StatusCode, $"{response.StatusCode}: {reply}");
        return response.IsSuccessStatusCode ? string.Concat(reply.Where(letter => !char.IsWhiteSpace(letter))) : Error(reply);
    }

    private async Task<HttpResponseMessage> PauseAsync()
    {
        HttpResponseMessage pause = await _http.SendAsync(
            new HttpRequestMessage(HttpMethod.Post, "/v1/device/pause"), HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(HttpStatusCode.OK, pause.StatusCode);
        return pause;
    }

    private async Task<string?> StateAsync() =>
        JsonElement.Parse(await _http.GetStringAsync("/v1/device")).GetProperty("state").GetString();

    private static string Error(string body)
    {
        string? error = JsonElement.Parse(body).GetProperty("error").GetString();
        Assert.False(string.IsNullOrWhiteSpace(error));
        Assert.DoesNotContain('\n', error);
        return error;
    }
}
