using DmEra.Devices;

namespace DmEra.Tests.Devices;

public sealed class SystemFaultTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Faults_of_the_class_library_are_told_as_every_other_program_does()
    {
        File.WriteAllText(_folder["file"], "");
        using FileStream held = new(_folder["held"], FileMode.Create, FileAccess.Write, FileShare.None);
        File.CreateSymbolicLink(_folder["loop"], "loop");

        Assert.Equal($"{_folder["none"]}: No such file or directory", Describe(() => File.OpenRead(_folder["none"])));
        Assert.Equal($"{_folder["none/file"]}: No such file or directory", Describe(() => File.OpenRead(_folder["none/file"])));
        Assert.Equal($"{_folder.Path}: Is a directory", Describe(() => File.OpenWrite(_folder.Path)));
        Assert.Equal($"{_folder["held"]}: Device or resource busy", Describe(() => File.OpenRead(_folder["held"])));
        Assert.Equal($"{_folder["file"]}: File exists", Describe(() => new FileStream(_folder["file"], FileMode.CreateNew)));
        Assert.Equal($"{_folder["loop"]}: Too many levels of symbolic links", Describe(() => File.OpenRead(_folder["loop"])));
        Assert.Equal("/dev/full: No space left on device", Describe(() => File.WriteAllText("/dev/full", new string('x', 1 << 16))));
        Assert.Equal(
            "/proc/1/none: Permission denied",
            SystemFault.Describe(new UnauthorizedAccessException("Access to the path '/proc/1/none' is denied.")));
    }

    [Fact]
    public void What_is_none_stays_as_it_is() =>
        Assert.Equal("it's late, isn't it", SystemFault.Describe(new InvalidDataException("it's late, isn't it")));

    [Fact]
    public void Faults_of_devices_say_it_already() => Assert.Equal(
        "it's a disk, isn't it: cannot read at byte 0: Input/output error",
        SystemFault.Describe(new DeviceException("it's a disk, isn't it: cannot read at byte 0", Errno.EIO)));

    private static string Describe(Func<object> use) => SystemFault.Describe(Record.Exception(use)!);

    private static string Describe(Action use) => SystemFault.Describe(Record.Exception(use)!);
}
