namespace DmEra.EndToEnd.Vm;

/// <summary>What a guest is made of.</summary>
/// <param name="KernelPackage">Debian's package that stands for its kernel.</param>
/// <param name="MemoryMiB">Its memory.</param>
/// <param name="ScriptMinutes">How long a script may take.</param>
internal sealed record GuestMachine(string KernelPackage = GuestMachine.Linux61, int MemoryMiB = 512, int ScriptMinutes = 2)
{
    /// <summary>Debian 12's own kernel.</summary>
    public const string Linux61 = "linux-image-cloud-amd64";

    /// <summary>A newer one, from Debian 12's security archive.</summary>
    public const string Linux612 = "linux-image-6.12-cloud-amd64";
}
