namespace DmEra.Tests;

/// <summary>A folder of a test's own, removed with all it holds. Never on tmpfs, whose files the user tools cannot
/// open (they ask for O_DIRECT).</summary>
internal sealed class TempFolder : IDisposable
{
    private static readonly string Parent =
        new[] { System.IO.Path.GetTempPath(), "/var/tmp", AppContext.BaseDirectory }
            .First(folder => new DriveInfo(folder).DriveFormat is not "tmpfs");

    /// <summary>The folder's path.</summary>
    public string Path { get; } = Directory.CreateDirectory(
        System.IO.Path.Combine(Parent, $"era-test-{Guid.NewGuid().ToString("N")[..12]}")).FullName;

    /// <summary>The path of a file in it, which need not exist.</summary>
    public string this[string name] => System.IO.Path.Combine(Path, name);

    /// <summary>Makes a file of zeroes that takes no space.</summary>
    /// <returns>Its path.</returns>
    public string Sparse(string name, long lengthBytes)
    {
        using FileStream file = new(this[name], FileMode.CreateNew);
        file.SetLength(lengthBytes);
        return this[name];
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Path, recursive: true);
}
