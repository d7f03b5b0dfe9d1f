using DmEra.Target.Chronicles;
using DmEra.Target.History;

namespace DmEra.Target.Tracking;

/// <summary>A device in use, whoever maps it: a server of ours, or the kernel's dm-era. One thread at a time.</summary>
/// <remarks>What it refuses, and what fails, is an <see cref="IOException"/> whose message is one line that names the device and
/// says what to do.</remarks>
public interface ILiveDevice : ITrackedDevice
{
    /// <summary>The path of what the device's content is on.</summary>
    string OriginPath { get; }

    /// <summary>The path of its metadata; null when nothing is to be kept beside it.</summary>
    string? MetadataPath { get; }

    /// <summary>The command that sends it a message, but for the message, as words for a shell.</summary>
    string MessageCommand { get; }

    /// <summary>What it is and does.</summary>
    /// <exception cref="IOException">It cannot be asked.</exception>
    DeviceDescription Describe();

    /// <summary>Refuses when the device is suspended, paused or failed: nothing can be made of it now.</summary>
    /// <exception cref="IOException">It is; the message says what to do.</exception>
    void RequireActive();

    /// <summary>The era that somebody means, which need not have begun.</summary>
    /// <param name="name">Its number, <c>ERA:MARK</c>, or a label.</param>
    /// <exception cref="IOException">It is none of this history.</exception>
    uint FindEra(string name);

    /// <summary>Writes down which blocks were written in an era or later.</summary>
    /// <param name="since">The era, as for <see cref="FindEra"/>; it must have begun.</param>
    /// <param name="format">How.</param>
    /// <param name="output">Where to. What is there after a fault is worthless.</param>
    /// <exception cref="IOException">There is no such era, or the list broke off.</exception>
    void WriteChanges(string since, ChangeListFormat format, Stream output);

    /// <summary>Begins an era, and returns when every write recorded in an older one has completed.</summary>
    /// <exception cref="IOException">The device refuses.</exception>
    EraBeginning Checkpoint();

    /// <summary>Has requests wait until <see cref="Unpause"/>, or until this process ends; every write before has
    /// completed then, and is recorded in <see cref="ITrackedDevice.CurrentEra"/> or before.</summary>
    /// <returns>The beginning of the era that the device goes on with, which is this moment; null when it has no mark.</returns>
    /// <exception cref="IOException">The device refuses, and goes on.</exception>
    EraMark? Pause();

    /// <summary>Starts an era and lets requests in.</summary>
    /// <exception cref="IOException">The device refuses: its requests go on waiting.</exception>
    void Unpause();
}
