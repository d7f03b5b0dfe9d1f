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

    /// <summary>The power goes while a record is being appended: what is there of it is none.</summary>
    public void Tear(Random random)
    {
        if (Content is not { } content || random.Next(2) == 0) return;
        int end = content.AsSpan().LastIndexOfAnyExcept((byte)0) + 1;
        end += -end & (ChronicleBytes.Size - 1);
        if (content.Length < end + ChronicleBytes.Size) Array.Resize(ref content, end + ChronicleBytes.Size);
        Span<byte> torn = content.AsSpan(end, ChronicleBytes.Size);
        content.AsSpan(end - ChronicleBytes.Size, ChronicleBytes.Size).CopyTo(torn);
        random.NextBytes(torn[random.Next(ChronicleBytes.Size - 1)..]);
        Content = content;
    }

    /// <summary>Opens it for a life.</summary>
    public EraChronicle Open() => new(Metadata, static _ => { });

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
