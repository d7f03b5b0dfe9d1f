using System.Reflection;
using DmEra.Backup.Reading;
using DmEra.Cli.Offline;
using DmEra.Control;
using DmEra.Devices;
using DmEra.Nbd.Client;
using DmEra.PersistentData.Blocks;
using DmEra.Simulation.Devices;
using DmEra.Target.Mapping;
using DmEra.Tools.Check;

namespace DmEra.Tests.Devices;

/// <summary>A filter loses nothing of what the device behind it can do.</summary>
public sealed class ForwardingDeviceTests
{
    private static readonly Type[] AllTypes =
    [
        .. new[]
        {
            typeof(IBlockDevice), typeof(BlockManager), typeof(NbdBlockDevice), typeof(EraTarget), typeof(MetadataChecker),
            typeof(ImageDevice), typeof(ControlServer), typeof(WatchedDevice), typeof(SimulatedDisk),
        }.SelectMany(type => type.Assembly.GetTypes()),
    ];

    private static readonly Type[] Devices =
        [.. AllTypes.Where(type => typeof(IBlockDevice).IsAssignableFrom(type) && type.IsClass)];

    private static readonly Type[] Capabilities =
    [
        .. Devices.SelectMany(device => device.GetInterfaces())
            .Where(type => type.Assembly == typeof(IBlockDevice).Assembly && type != typeof(IBlockDevice) && type != typeof(IBlockStatusContext))
            .Distinct(),
    ];

    [Fact]
    public void Base_of_filters_has_all_that_any_device_can_do()
    {
        Assert.NotEmpty(Capabilities);
        Assert.All(Capabilities, capability => Assert.True(capability.IsAssignableFrom(typeof(ForwardingDevice)), capability.Name));
    }

    [Fact]
    public void Device_that_keeps_another_one_is_a_filter()
    {
        Type[] filters = [.. Devices.Where(device => FieldsOf(device).Any(static field => typeof(IBlockDevice).IsAssignableFrom(field.FieldType)))];

        Assert.NotEmpty(filters);
        Assert.All(filters, filter => Assert.True(typeof(ForwardingDevice).IsAssignableFrom(filter), filter.Name));
    }

    [Fact]
    public void Filter_that_changes_reads_or_writes_changes_those_that_do_not_wait_as_well()
    {
        Type[] filters = [.. Devices.Where(device => device.IsSubclassOf(typeof(ForwardingDevice)))];

        Assert.Contains(typeof(WatchedDevice), filters);
        Assert.All(filters, filter =>
        {
            if (Overrides(filter, nameof(IBlockDevice.Read))) Assert.True(Overrides(filter, nameof(IImmediateAccess.TryReadNow)), filter.Name);
            if (!Overrides(filter, nameof(IBlockDevice.Write))) return;
            Assert.True(Overrides(filter, nameof(IImmediateAccess.TryWriteNow)), filter.Name);
            Assert.True(Overrides(filter, nameof(IBlockDevice.Trim)), filter.Name);
            Assert.True(Overrides(filter, nameof(IBlockDevice.WriteZeroes)), filter.Name);
        });
    }

    [Fact]
    public void Everything_reaches_the_device_behind_the_filter()
    {
        foreach (Type capability in Capabilities.Append(typeof(IBlockDevice)))
        {
            foreach (MethodInfo method in capability.GetMethods())
            {
                TellTale inner = new();
                Call(new PlainFilter(inner), method);

                Assert.Equal([method.Name], inner.Calls);
            }
        }
    }

    [Fact]
    public void Filter_in_front_of_a_device_that_can_do_little_answers_as_such_a_device_may()
    {
        PlainFilter filter = new(new FixedContent());

        Assert.False(filter.TryReadNow(0, new byte[1]));
        Assert.False(filter.TryWriteNow(0, new byte[1]));
        Assert.False(filter.TryExtend(2));
        filter.Prefetch(0, 1);
        filter.BeginFlush(0, 1);
        filter.Reserve(0, 1);
        filter.RefreshLength();
        Assert.Equal(1, filter.Length);
    }

    [Fact]
    public void Read_only_device_refuses_every_change()
    {
        FixedContent device = new();
        Action[] changes =
        [
            () => device.Write(0, new byte[1]), () => device.Trim(0, 1), () => device.WriteZeroes(0, 1, ZeroingMode.MayDeallocate),
        ];

        Assert.All(changes, change => Assert.Equal(Errno.EROFS, Assert.Throws<DeviceException>(change).Errno));
        device.Flush();
    }

    // A span cannot be passed by reflection: those methods are called by name.
    private static void Call(PlainFilter filter, MethodInfo method)
    {
        switch (method.Name)
        {
            case nameof(IBlockDevice.Read):
                filter.Read(0, new byte[1]);
                break;
            case nameof(IBlockDevice.Write):
                filter.Write(0, new byte[1]);
                break;
            case nameof(IImmediateAccess.TryReadNow):
                Assert.True(filter.TryReadNow(0, new byte[1]));
                break;
            case nameof(IImmediateAccess.TryWriteNow):
                Assert.True(filter.TryWriteNow(0, new byte[1]));
                break;
            default:
                object? result = method.Invoke(
                    filter, [.. method.GetParameters().Select(parameter => Activator.CreateInstance(parameter.ParameterType))]);
                if (method.ReturnType == typeof(bool)) Assert.Equal(true, result);
                break;
        }
    }

    private static FieldInfo[] FieldsOf(Type type) =>
        type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic);

    private static bool Overrides(Type filter, string method) => filter.GetMethod(method)!.DeclaringType != typeof(ForwardingDevice);

    private sealed class PlainFilter(IBlockDevice inner) : ForwardingDevice(inner)
    {
        public override void Dispose() => Inner.Dispose();
    }

    private sealed class FixedContent() : ReadOnlyDevice("fixed content")
    {
        public override long Length => 1;

        public override void Read(long offset, Span<byte> buffer) => buffer.Clear();

        public override void Dispose()
        {
        }
    }

    /// <summary>Can do everything, and remembers what it was asked for.</summary>
    private sealed class TellTale : IBlockDevice, IImmediateAccess, IReadAhead, IWriteBehind, IExtendable, IReservable, IRefreshable,
        IUnflushedWrites
    {
        public List<string> Calls { get; } = [];

        public long Length
        {
            get
            {
                Calls.Add($"get_{nameof(Length)}");
                return 1;
            }
        }

        public bool AreKept
        {
            get
            {
                Calls.Add($"get_{nameof(AreKept)}");
                return true;
            }
        }

        public void Read(long offset, Span<byte> buffer) => Calls.Add(nameof(Read));

        public void Write(long offset, ReadOnlySpan<byte> data) => Calls.Add(nameof(Write));

        public void Flush() => Calls.Add(nameof(Flush));

        public void Trim(long offset, long length) => Calls.Add(nameof(Trim));

        public void WriteZeroes(long offset, long length, ZeroingMode mode) => Calls.Add(nameof(WriteZeroes));

        public bool TryReadNow(long offset, Span<byte> buffer)
        {
            Calls.Add(nameof(TryReadNow));
            return true;
        }

        public bool TryWriteNow(long offset, ReadOnlySpan<byte> data)
        {
            Calls.Add(nameof(TryWriteNow));
            return true;
        }

        public void Prefetch(long offset, long length) => Calls.Add(nameof(Prefetch));

        public void BeginFlush(long offset, long length) => Calls.Add(nameof(BeginFlush));

        public bool TryExtend(long length)
        {
            Calls.Add(nameof(TryExtend));
            return true;
        }

        public void Reserve(long offset, long length) => Calls.Add(nameof(Reserve));

        public void RefreshLength() => Calls.Add(nameof(RefreshLength));

        public void Dispose() => Calls.Add(nameof(Dispose));
    }
}
