using DmEra.EndToEnd.Vm;
using DmEra.Target.Mapping;

namespace DmEra.EndToEnd.Kernel;

/// <summary>dm-era of a guest's kernel, as <c>/dev/mapper/era0</c>, on the guest's disk <c>origin</c> and one with
/// the metadata.</summary>
internal sealed class KernelEra : EraRun
{
    private readonly Guest _guest;
    private readonly string _metadata;

    /// <summary>Makes and activates the device.</summary>
    public KernelEra(Guest guest, WriteLog log, uint blockCount, string metadata = "meta")
        : base(log)
    {
        _guest = guest;
        _metadata = metadata;
        guest.Run($"dmsetup create era0 --table '{Table(blockCount)}'");
        log.BeginEra(blockCount);
    }

    /// <inheritdoc/>
    public override EraStatus Status
    {
        get
        {
            string line = _guest.Run("dmsetup status era0");
            Assert.True(EraStatus.TryParse(line, out EraStatus? status), line);
            return status;
        }
    }

    /// <summary>What device mapper has said in the kernel's log since the last time, but for greetings.</summary>
    public static string TakeComplaints(Guest guest) => guest.Run(
        "dmesg -c | grep -E 'device-mapper|BUG|WARNING' | grep -vE 'device-mapper: (uevent|ioctl): .*(version|init)' || true");

    /// <inheritdoc/>
    public override void Remove() => _guest.Run("dmsetup remove era0");

    protected override void WriteBlocks(uint[] blocks) => _guest.Run(
        $"""
        for block in {string.Join(' ', blocks)}; do
            dd if=/dev/zero of=/dev/mapper/era0 bs=4096 count=1 seek=$((block * {BlockSectors / 8})) \
                oflag=direct conv=notrunc status=none || exit
        done
        """);

    protected override void Send(string message) => _guest.Run($"dmsetup message era0 0 {message}");

    // In this order: a table that is loaded before the suspend takes the metadata back to what it was then.
    protected override void LoadTable(uint blockCount) => _guest.Run(
        $"dmsetup suspend era0 && dmsetup load era0 --table '{Table(blockCount)}' && dmsetup resume era0");

    private string Table(uint blockCount) =>
        $"0 {Sectors(blockCount)} era /dev/disk/{_metadata} /dev/disk/origin {BlockSectors}";
}
