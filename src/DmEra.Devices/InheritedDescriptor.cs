using Microsoft.Win32.SafeHandles;

namespace DmEra.Devices;

/// <summary>
/// The descriptors that whoever started this program has handed to it: the standard ones, and others by their number. One that he had
/// closed is soon something else, for the runtime opens files and pipes of its own, and the first of them gets its number: who then
/// wrote to the standard output would write to who knows what, or wait for ever.
/// </summary>
public static class InheritedDescriptor
{
    /// <summary>Takes a descriptor, which stays open when the handle is closed.</summary>
    /// <returns>One that every use of fails with EBADF, if it was not handed to this program.</returns>
    public static SafeFileHandle Take(int number) => new(IsInherited(number) ? number : -1, ownsHandle: false);

    /// <summary>Whether whoever started this program has handed a descriptor to it.</summary>
    // Starting a program closes all that are marked to be closed then; and what the runtime opens is marked.
    public static bool IsInherited(int number) => LinuxFile.DescriptorFlags(number) is 0;
}
