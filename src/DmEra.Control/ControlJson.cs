using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using DmEra.Serving.Configuration;
using DmEra.Serving.Hosting;
using DmEra.Target.Chronicles;
using DmEra.Target.Tracking;

namespace DmEra.Control;

/// <summary>The messages as JSON: camel case, indented, URIs and paths not escaped beyond what JSON asks for.</summary>
public static class ControlJson
{
    internal static ControlJsonContext Context { get; } = new(new JsonSerializerOptions(ControlJsonContext.Default.Options)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    /// <summary>One device.</summary>
    public static string Of(DeviceDescription device) =>
        JsonSerializer.Serialize(device, Context.DeviceDescription);

    /// <summary>An era that has begun.</summary>
    public static string Of(EraBeginning begun) => JsonSerializer.Serialize(begun, Context.EraBeginning);

    /// <summary>An array of devices.</summary>
    public static string Of(IReadOnlyList<DeviceDescription> devices) =>
        JsonSerializer.Serialize(devices, Context.IReadOnlyListDeviceDescription);
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(DeviceDescription))]
[JsonSerializable(typeof(IReadOnlyList<DeviceDescription>))]
[JsonSerializable(typeof(DeviceRequest))]
[JsonSerializable(typeof(LoadReport))]
[JsonSerializable(typeof(MessageRequest))]
[JsonSerializable(typeof(ResizeRequest))]
[JsonSerializable(typeof(EraBeginning))]
[JsonSerializable(typeof(PauseReply))]
[JsonSerializable(typeof(ErrorReply))]
internal sealed partial class ControlJsonContext : JsonSerializerContext;
