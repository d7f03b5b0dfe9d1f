using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using DmEra.Backup.Images;
using DmEra.Backup.Taking;
using DmEra.Backup.Upkeep;

namespace DmEra.Cli.Backups;

/// <summary>What the commands on repositories print, for people and for programs.</summary>
internal static class BackupReports
{
    private static readonly BackupReportsJson Json = new(new JsonSerializerOptions(BackupReportsJson.Default.Options)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    public static string ToJson(ImageManifest image) => JsonSerializer.Serialize(ForPrograms(image), Json.ImageManifest);

    public static string ToJson(IReadOnlyList<ImageManifest> images) =>
        JsonSerializer.Serialize([.. images.Select(ForPrograms)], Json.IReadOnlyListImageManifest);

    public static string ToJson(BackupEstimate estimate) => JsonSerializer.Serialize(estimate, Json.BackupEstimate);

    public static string ToJson(VerifyReport report) => JsonSerializer.Serialize(report, Json.VerifyReport);

    public static string ToJson(PruneReport report) => JsonSerializer.Serialize(report, Json.PruneReport);

    /// <summary>An image that was taken, in a line.</summary>
    public static void Write(TextWriter output, BackupReport report)
    {
        ImageManifest image = report.Image;
        ImageCost cost = image.Cost;
        string kind = image.Parent is null ? "full" : $"on top of image {image.Parent.Number}";
        string continued = report.WasContinued ? ", continued after an interruption" : "";
        output.WriteLine($"image {image.Number}: {kind}, up to era {image.LastEra}; {Amount.Bytes(cost.BytesRead)} read, "
            + $"{Amount.Bytes(cost.BytesStored)} stored in {Amount.Seconds(cost.Seconds)}; {Describe(image)}{continued}");
    }

    /// <summary>What a backup would read, in a line.</summary>
    public static void Write(TextWriter output, BackupEstimate estimate)
    {
        string kind = estimate.Parent is null ? "full" : $"on top of image {estimate.Parent.Number}";
        string time = estimate.Seconds is double seconds ? $", about {Amount.Seconds(seconds)}" : "";
        output.WriteLine($"{kind}: {Amount.Bytes(estimate.Bytes)} to read{time}");
        foreach (string remark in estimate.Remarks) output.WriteLine(remark);
    }

    // What else was there then is for the repository's own use.
    private static ImageManifest ForPrograms(ImageManifest image) => image with { Before = null };

    private static string Describe(ImageManifest image) => image.Consistency switch
    {
        ImageConsistency.Stopped => "the device was not in use",
        ImageConsistency.Frozen => $"of one moment, with its users brought to rest{Pause(image)}",
        _ => $"of one moment, as after a power failure then (crash-consistent){Pause(image)}",
    };

    private static string Pause(ImageManifest image) => $"; writes waited for {image.Cost.PauseSeconds * 1000:F0} ms";
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(ImageManifest))]
[JsonSerializable(typeof(IReadOnlyList<ImageManifest>))]
[JsonSerializable(typeof(BackupEstimate))]
[JsonSerializable(typeof(VerifyReport))]
[JsonSerializable(typeof(PruneReport))]
internal sealed partial class BackupReportsJson : JsonSerializerContext;
