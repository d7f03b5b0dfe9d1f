namespace DmEra.Tests.Backup.Stores;

/// <summary>What the environment and the profile say, as every AWS program reads them: seen from outside, as the environment is the
/// process's.</summary>
public sealed class S3EnvironmentTests : IDisposable
{
    private static readonly string Era = Path.Combine(AppContext.BaseDirectory, "era");
    private static readonly string[] Keys = ["AWS_ACCESS_KEY_ID=key", "AWS_SECRET_ACCESS_KEY=secret"];

    private readonly TempFolder _home = new();
    private readonly ScriptedS3 _server = new();

    public void Dispose()
    {
        _server.Dispose();
        _home.Dispose();
    }

    [Theory]
    [InlineData("AWS_ENDPOINT_URL={url}", "AWS_REGION=eu-1")]
    [InlineData("AWS_ENDPOINT_URL_S3={url}", "AWS_REGION=eu-1")]
    [InlineData("AWS_ENDPOINT_URL={url}", "AWS_REGION=")]
    [InlineData("AWS_ENDPOINT_URL={url}", "AWS_DEFAULT_REGION=eu-1")]
    [InlineData("AWS_ENDPOINT_URL={url}")]
    [InlineData("AWS_ENDPOINT_URL=http://127.0.0.1:1", "AWS_ENDPOINT_URL_S3={url}")]
    public void The_server_is_where_the_environment_says(params string[] variables)
    {
        ProgramResult result = Backups("s3://bkt/disk", [.. Keys, .. variables.Select(Resolve)]);

        Assert.Equal(1, result.ExitCode);   // there is no repository
        Assert.Equal("GET bkt/disk/repository", _server.Log[0]);
    }

    [Theory, InlineData("default", "default"), InlineData("profile other", "other")]
    public void The_server_is_where_the_profile_says(string section, string name)
    {
        Directory.CreateDirectory(_home[".aws"]);
        File.WriteAllText(_home[".aws/config"], Resolve($"[{section}]\nregion = eu-1\nendpoint_url = {{url}}\n"));

        Backups("s3://bkt/disk", [.. Keys, $"AWS_PROFILE={name}"]);

        Assert.Equal("GET bkt/disk/repository", _server.Log[0]);
    }

    [Theory]
    [InlineData("AWS_REGION=eu-1", "eu-1")]
    [InlineData("AWS_DEFAULT_REGION=eu-2", "eu-2")]
    [InlineData("NONE=", "us-east-1")]
    public void Requests_are_signed_for_the_region_that_is_set(string variable, string region)
    {
        string? authorization = null;
        _server.Before = context =>
        {
            authorization = context.Request.Headers["Authorization"];
            return null;
        };

        Backups($"s3+{_server.Endpoint}bkt/disk", [.. Keys, variable]);

        Assert.Contains($"/{region}/s3/", authorization, StringComparison.Ordinal);
    }

    [Fact]
    public void An_api_below_a_path_is_found_there()
    {
        Backups("s3://bkt/disk", [.. Keys, Resolve("AWS_ENDPOINT_URL={url}/some/api")]);

        Assert.Equal("GET some/api/bkt/disk/repository", _server.Log[0]);
    }

    [Fact]
    public void What_is_missing_is_named()
    {
        Assert.Contains("set AWS_REGION", Backups("s3://bkt/disk", [.. Keys, "AWS_EC2_METADATA_DISABLED=true"]).Error, StringComparison.Ordinal);
        Assert.Contains(
            "set AWS_ACCESS_KEY_ID", Backups($"s3+{_server.Endpoint}bkt/disk", ["AWS_EC2_METADATA_DISABLED=true"]).Error, StringComparison.Ordinal);
        Assert.Empty(_server.Log);
    }

    [Theory, InlineData("localhost:9000"), InlineData("ftp://host/")]
    public void A_server_that_is_none_is_named(string server) => Assert.Equal(
        $"era: s3://bkt/disk: AWS_ENDPOINT_URL or the profile says '{server}'; it must be like https://HOST\n",
        Backups("s3://bkt/disk", [.. Keys, $"AWS_ENDPOINT_URL={server}"]).Error);

    [Fact]
    public void An_empty_setting_is_none() => Assert.Contains(
        "set AWS_REGION", Backups("s3://bkt/disk", [.. Keys, "AWS_ENDPOINT_URL=", "AWS_REGION=", "AWS_EC2_METADATA_DISABLED=true"]).Error, StringComparison.Ordinal);

    private string Resolve(string text) => text.Replace("{url}", $"http://127.0.0.1:{_server.Port}", StringComparison.Ordinal);

    private ProgramResult Backups(string address, string[] variables)
    {
        string root = Environment.GetEnvironmentVariable("DOTNET_ROOT") ?? Path.GetDirectoryName(Environment.ProcessPath)!;
        return Oracle.Run("env", ["-i", $"HOME={_home.Path}", $"DOTNET_ROOT={root}", .. variables, "timeout", "60", Era, "backups", address]);
    }
}
