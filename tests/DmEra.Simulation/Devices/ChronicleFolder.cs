using DmEra.Devices;
using DmEra.Target.Chronicles;

namespace DmEra.Simulation.Devices;

/// <summary>The folder of a chronicle: a real one, for its file is on no simulated disk. What is in it outlives lives.</summary>
internal sealed class ChronicleFolder : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("era-simulation-").FullName;

    /// <summary>The file; null while there is none.</summary>
    public byte[]? Content
    {
        get
        {
            if (!File.Exists(ChronicleFile)) return null;
            using FileBlockDevice file = FileBlockDevice.OpenShared(ChronicleFile);
            byte[] content = new byte[file.Length];
            file.Read(0, content);
            return content;
        }

        set
        {
            if (value is null) File.Delete(ChronicleFile);
            else File.WriteAllBytes(ChronicleFile, value);
        }
    }

    private string Metadata => Path.Combine(_folder, "metadata");

    private string ChronicleFile => EraChronicle.PathFor(Metadata);

    /// <summary>Opens it for a life.</summary>
    public EraChronicle Open() => new(Metadata, static _ => { });

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
