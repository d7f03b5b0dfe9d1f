using System.Runtime.InteropServices;

namespace DmEra.Devices;

/// <summary>The memory of native code, such as the compressors of the base class library.</summary>
public static partial class NativeHeap
{
    private const int TrimThreshold = -1;       // mallopt(3)
    private const int MmapThreshold = -3;

    /// <summary>Keeps memory that was freed for whoever asks next, instead of giving it back to the system, which takes it
    /// away page by page and hands it out again zeroed.</summary>
    /// <param name="bytes">How much, for each thread.</param>
    public static void KeepFreed(int bytes)
    {
        try
        {
            // A refusal costs time only.
            _ = SetOption(TrimThreshold, bytes);
            _ = SetOption(MmapThreshold, bytes);
        }
        catch (EntryPointNotFoundException)
        {
            // Only the GNU C library has it.
        }
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int SetOption(int option, int value);
}
