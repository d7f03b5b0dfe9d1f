using DmEra.Target.Chronicles;

namespace DmEra.Backup.Sources;

/// <summary>A device in use, with what is needed to take an image of one moment of it. One thread at a time.</summary>
public interface ILiveDevice : ITrackedDevice
{
    /// <summary>The path of what the device's content is on, for hooks and clones.</summary>
    string OriginPath { get; }

    /// <summary>The path of its metadata; null when nothing is to be kept beside it.</summary>
    string? MetadataPath { get; }

    /// <summary>Starts an era, and returns its number when every write recorded in an older one has completed.</summary>
    /// <exception cref="IOException">The device refuses.</exception>
    uint Checkpoint();

    /// <summary>Has requests wait until <see cref="Unpause"/>, or until this process ends; every write before has
    /// completed then, and is recorded in <see cref="ITrackedDevice.CurrentEra"/> or before.</summary>
    /// <returns>The beginning of the era that the device goes on with, which is this moment; null when it has no mark.</returns>
    /// <exception cref="IOException">The device refuses, and goes on.</exception>
    EraMark? Pause();

    /// <summary>Starts an era and lets requests in.</summary>
    /// <exception cref="IOException">The device refuses: its requests go on waiting.</exception>
    void Unpause();
}
