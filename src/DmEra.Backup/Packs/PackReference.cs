namespace DmEra.Backup.Packs;

/// <summary>A pack that is being written, or is there: maps refer to it before its name is known.</summary>
internal sealed class PackReference
{
    private PackName? _name;

    /// <summary>A pack that is being written.</summary>
    public PackReference()
    {
    }

    /// <summary>A pack that is there.</summary>
    public PackReference(PackName name) => _name = name;

    /// <summary>True once it has a name.</summary>
    public bool IsClosed => _name is not null;

    /// <summary>Its name.</summary>
    public PackName Name => _name ?? throw new InvalidOperationException("the pack is still being written");

    /// <summary>True when both are the same pack.</summary>
    public bool IsSameAs(PackReference other) =>
        ReferenceEquals(this, other) || (_name is not null && _name == other._name);

    /// <summary>Gives a pack that was being written its name.</summary>
    public void Close(PackName name) => _name = name;
}
