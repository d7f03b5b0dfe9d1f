using System.Text.Json.Serialization;

namespace DmEra.Backup.Images;

/// <summary>How the documents of a repository are written as JSON.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(ImageManifest))]
[JsonSerializable(typeof(RepositoryConfiguration))]
[JsonSerializable(typeof(LockHolder))]
[JsonSerializable(typeof(List<RememberedImage>))]
internal sealed partial class BackupJson : JsonSerializerContext;
