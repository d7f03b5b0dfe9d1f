using System.Diagnostics;
using DmEra.Nbd;
using DmEra.Serving.FrontEnds;
using DmEra.Serving.Sockets;
using DmEra.Target.Mapping;

namespace DmEra.Serving.Hosting;

/// <summary>
/// The devices of one process. Each has threads, front ends and limits of its own: what ails one is not noticed by the others.
/// Every member may be called from any thread.
/// </summary>
public sealed class DeviceHost : IDisposable
{
    private readonly UnixListener? _control;
    private readonly Action<string> _log;
    private readonly NbdEntrance? _entrance;    // of the devices that have none of their own
    private readonly Lock _gate = new();        // guards all below
    private readonly SortedDictionary<string, Place> _places = new(StringComparer.Ordinal);
    private readonly TaskCompletionSource<string?> _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private NbdServerOptions _nbd;
    private bool _isStopping;

    /// <summary>Prepares a host without devices. Clients may connect, and wait until it is opened.</summary>
    /// <param name="settings">What its devices have in common.</param>
    /// <param name="control">Where they are controlled, closed with the host; null when they are not.</param>
    /// <param name="log">Is told, a line each time and from any thread, of faults that no caller waits for.</param>
    /// <exception cref="IOException">It cannot listen at an address.</exception>
    public DeviceHost(HostSettings settings, UnixListener? control, Action<string> log)
    {
        ArgumentNullException.ThrowIfNull(settings);
        IsForOne = settings.IsForOne;
        _control = control;
        _log = log;
        _nbd = settings.Nbd;
        if (settings.Listen.Count == 0) return;
        _entrance = new NbdEntrance(new NbdServer([], _nbd with { Log = new NbdLog(log) }), settings.Listen);
        _entrance.Bind();
    }

    /// <summary>Whether the host is there for one device, and ends with it.</summary>
    public bool IsForOne { get; }

    /// <summary>The devices in service, in order of their names.</summary>
    public IReadOnlyList<ServedDevice> Devices
    {
        get
        {
            lock (_gate) return [.. _places.Values.Where(place => place.IsStarted).Select(place => place.Device!)];
        }
    }

    /// <summary>Completes when all devices have stopped for good; its value is what had kept one from doing all it should, or
    /// null.</summary>
    public Task<string?> Stopped => _stopped.Task;

    /// <summary>A device in service; null when there is none of that name.</summary>
    public ServedDevice? Find(string name)
    {
        lock (_gate) return _places.TryGetValue(name, out Place? place) && place.IsStarted ? place.Device : null;
    }

    /// <summary>Takes a device into service. One that is slow to open keeps nobody else waiting.</summary>
    /// <exception cref="IOException">Its name, origin or metadata is taken by another device, or it cannot be opened or reached.</exception>
    /// <exception cref="EraTargetException">Something is wrong with origin or metadata.</exception>
    public ServedDevice Attach(DeviceSettings settings)
    {
        Place place = Reserve(settings);
        ServedDevice? device = null;
        try
        {
            device = Open(settings, out NbdFrontEnd frontEnd);
            lock (_gate)
            {
                // From here on a stop of the host, or a change of its limits, finds it.
                if (_isStopping) throw Stopping(settings);
                place.Device = device;
                place.FrontEnd = frontEnd;
                frontEnd.Change(_nbd);
            }

            device.Start();
            // Those that were made have an identity now.
            IReadOnlyList<(string Path, string Identity)> files = settings.FindFiles();
            lock (_gate)
            {
                place.Files = files;
                place.IsStarted = true;
            }

            return device;
        }
        catch
        {
            // Before its name is free: nobody would find it any more.
            if (device is not null) StopOne(device);
            lock (_gate) _places.Remove(settings.Name);
            throw;
        }
    }

    /// <summary>Lets NBD clients in at the addresses that devices share: those that have connected before have waited, so that none is told
    /// that a device is not there which is about to be attached.</summary>
    public void Open() => _entrance?.Open();

    /// <summary>Lets other NBD clients in from now on, or lets them in otherwise. Those that are served stay.</summary>
    public void Change(NbdServerOptions nbd)
    {
        lock (_gate)
        {
            _nbd = nbd;
            _entrance?.Server.Change(nbd);
            foreach (Place place in _places.Values) place.FrontEnd?.Change(nbd);
        }
    }

    /// <summary>Takes a device out of service: what clients have asked for so far is served, the era is archived, and its files are
    /// free when this returns. A host that is there for one device ends with it.</summary>
    /// <param name="name">The device.</param>
    /// <param name="force">Whether the connections of clients may be ended for it.</param>
    /// <exception cref="ServingException">There is no such device; or clients are connected; or it has stopped, but with a fault.</exception>
    public void Detach(string name, bool force)
    {
        ServedDevice device = Release(name, force);
        if (IsForOne) Stop();
        else StopOne(device);
        lock (_gate) _places.Remove(name);
        if (FaultOf(device) is string fault) throw new ServingException($"{name}: detached, but {fault}");
    }

    /// <summary>Stops all devices, each as <see cref="Detach"/> does and all at the same time, and closes the control socket. The
    /// second call waits for the first.</summary>
    public void Stop()
    {
        ServedDevice[] devices;
        bool isFirst;
        lock (_gate)
        {
            isFirst = !_isStopping;
            _isStopping = true;
            devices = [.. _places.Values.Select(place => place.Device).OfType<ServedDevice>()];
        }

        if (isFirst) StopAll(devices);
        _stopped.Task.GetAwaiter().GetResult();
    }

    /// <inheritdoc/>
    public void Dispose() => Stop();

    private void StopAll(ServedDevice[] devices)
    {
        try
        {
            // One whose origin hangs does not keep the others from coming to rest.
            _entrance?.Close();
            Thread[] threads = [.. devices.Select(device => new Thread(() => StopOne(device)) { Name = "era stop" })];
            foreach (Thread thread in threads) thread.Start();
            foreach (Thread thread in threads) thread.Join();
            _control?.Dispose();
            _stopped.SetResult(FaultOf(devices));
        }
        catch (Exception fault)
        {
            _stopped.SetException(fault);
            throw;
        }
    }

    // What went wrong is kept in its task.
    private static void StopOne(ServedDevice device)
    {
        try { device.Stop(); }
        catch (Exception fault) { Debug.Assert(device.Stopped.IsFaulted, fault.Message); }
    }

    // Of one that has stopped.
    private static string? FaultOf(ServedDevice device) =>
        device.Stopped.IsFaulted ? device.Stopped.Exception!.InnerException!.Message : device.Stopped.Result;

    private string? FaultOf(ServedDevice[] devices)
    {
        string[] faults =
        [
            .. devices.Select(device => (device.Name, Fault: FaultOf(device)))
                .Where(stopped => stopped.Fault is not null)
                .Select(stopped => IsForOne ? stopped.Fault! : $"{stopped.Name}: {stopped.Fault}"),
        ];
        return faults.Length == 0 ? null : string.Join("; ", faults);
    }

    private ServedDevice Open(DeviceSettings settings, out NbdFrontEnd frontEnd)
    {
        Action<string> log = IsForOne ? _log : line => _log($"{settings.Name}: {line}");
        EraDisk disk = EraDisk.Open(settings, log);
        try
        {
            frontEnd = new NbdFrontEnd(disk.Export, _nbd with { Log = new NbdLog(log) }, settings.Listen, _entrance);
            return new ServedDevice(disk, [frontEnd], _control?.Path);
        }
        catch
        {
            disk.Dispose();
            throw;
        }
    }

    private Place Reserve(DeviceSettings settings)
    {
        IReadOnlyList<(string Path, string Identity)> files = settings.FindFiles();
        lock (_gate)
        {
            if (_isStopping) throw Stopping(settings);
            if (IsForOne && _places.Count > 0)
                throw new ServingException($"{settings.Name}: this process is there for one device; 'era serve --config' runs many");
            if (_places.TryGetValue(settings.Name, out Place? taken) && !taken.IsStarted) throw ComingOrGoing(settings.Name);
            if (taken is not null)
                throw new ServingException($"{settings.Name}: attached already; 'era detach {settings.Name}' first, or choose another name");
            foreach ((string name, Place other) in _places)
            {
                string[] used = [.. other.Files.Select(file => file.Identity)];
                if (files.FirstOrDefault(file => used.Contains(file.Identity, StringComparer.Ordinal)) is { Path: string path })
                    throw new ServingException($"{settings.Name}: {path} is in use by {name} already");
            }

            return _places[settings.Name] = new Place { Files = files };
        }
    }

    private ServedDevice Release(string name, bool force)
    {
        lock (_gate)
        {
            if (!_places.TryGetValue(name, out Place? place)) throw new ServingException($"{name}: no such device is attached here");
            if (!place.IsStarted) throw ComingOrGoing(name);
            int clients = force ? 0 : place.Device!.Connections;
            if (clients > 0)
                throw new ServingException($"{name}: clients are connected ({clients}); disconnect them, or detach it with --force");
            place.IsStarted = false;
            return place.Device!;
        }
    }

    private static ServingException Stopping(DeviceSettings settings) => new($"{settings.Name}: this process is stopping");

    private static ServingException ComingOrGoing(string name) => new($"{name}: is being attached or detached just now; try again");

    /// <summary>What a name is taken by.</summary>
    private sealed class Place
    {
        public required IReadOnlyList<(string Path, string Identity)> Files { get; set; }

        public ServedDevice? Device { get; set; }

        public NbdFrontEnd? FrontEnd { get; set; }

        public bool IsStarted { get; set; }
    }
}
