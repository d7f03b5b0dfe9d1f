using DmEra.Devices;

namespace DmEra.Target.Mapping;

/// <summary>
/// Where one era ends and the next begins. Whatever begins or ends an era does it here, and in this order: new writes are held
/// up or recorded in the new era, those inside have completed, the origin is flushed, and only then can anyone see the
/// number of the new era. So whoever knows an era's number knows that every write of older ones is stable on the origin: a copy made
/// then has them all, and no server of the origin will bring one back later. And it has a mark by then, which tells it from others of
/// the same number.
/// </summary>
/// <remarks>One thread at a time, but for <see cref="Era"/>. It waits in the thread that asks, not in the worker: writes that
/// are inside may wait for the worker.</remarks>
internal sealed class EraBoundary(
    RequestGate gate, EraWorker worker, EraDevice device, DoubtfulOrigin doubts, OriginFlusher origin, BoundaryMarks marks, uint era)
{
    private uint _era = era;
    private uint _blocks;       // of the device as it was last opened
    private long _length;
    private bool _isOpen;

    /// <summary>The era whose number may be told: the latest one that all writes of older eras were stable for. The
    /// metadata may be ahead of it while a boundary is being crossed, or after one failed half-way.</summary>
    public uint Era => Volatile.Read(ref _era);

    /// <summary>Whether requests are let in. For the thread whose turn it is.</summary>
    public bool IsOpen => _isOpen;

    /// <summary>Begins an era and lets requests in. The origin has been flushed since the last write: when the device was made, or
    /// closed.</summary>
    /// <param name="blocks">Origin blocks of the device.</param>
    /// <param name="firstNew">Tells, for the length that the chronicle knows (0: none), the first block that the device may have gained
    /// something of since it was last open.</param>
    /// <param name="lengthBytes">Length of the device.</param>
    public void Open(uint blocks, Func<long, uint> firstNew, long lengthBytes)
    {
        marks.Unsettle();
        Writeset next = worker.Run(eras => eras.Resume(blocks, found =>
        {
            marks.Open(found);
            return firstNew(marks.KnownLength);
        }));
        (_blocks, _length) = (blocks, lengthBytes);
        try
        {
            MarkDoubtful();
            marks.Begun(next.Era, lengthBytes);
        }
        catch
        {
            worker.Run(static eras => eras.Abandon());      // with nobody let in no era is open, and none can be ended by a checkpoint
            throw;
        }

        device.SetLength(lengthBytes);
        Publish(next.Era);
        gate.Switch(next);
        _isOpen = true;
    }

    /// <summary>Ends the era and begins the next one, with requests going on.</summary>
    /// <returns>The number of the new era.</returns>
    /// <exception cref="DeviceException">The origin cannot be flushed: the new era's number stays hidden, and its writes count
    /// as those of whichever is told next.</exception>
    public uint Cross()
    {
        if (!_isOpen) throw new EraTargetException("the device is suspended: resume it first", Errno.EAGAIN);
        origin.RequireNotFailed();      // or each attempt would begin an era that nobody may see
        marks.MakeRoom();
        Writeset next = worker.Run(static eras => eras.RollOver());
        Writeset? last = gate.Switch(next);
        last?.Writes.WaitUntilNone();
        MarkDoubtful();
        origin.Flush();
        marks.Begun(next.Era, _length);
        Publish(next.Era);
        return next.Era;
    }

    /// <summary>Lets no more requests in, and ends the era.</summary>
    /// <exception cref="DeviceException">The origin cannot be flushed: requests go on.</exception>
    public void Close()
    {
        Writeset? last = Drain();
        try
        {
            origin.Flush();
        }
        catch
        {
            gate.Switch(last);
            throw;
        }

        End(isStable: true);
    }

    /// <summary>As <see cref="Close"/>, whatever becomes of the flush: the device is being stopped.</summary>
    /// <returns>Why the origin could not be flushed; null when it was.</returns>
    public DeviceException? CloseForGood()
    {
        Drain();
        DeviceException? failure = null;
        try { origin.Flush(); }
        catch (DeviceException fault) { failure = fault; }
        End(isStable: failure is null);
        return failure;
    }

    // In the new era, before anyone knows of it.
    private void MarkDoubtful() => worker.Mark(doubts.Doubtful(_blocks));

    private Writeset? Drain()
    {
        Writeset? last = gate.Switch(null);
        last?.Writes.WaitUntilNone();       // the worker still marks for them
        gate.DrainReads();
        return last;
    }

    private void End(bool isStable)
    {
        uint? ended = Archive();
        if (isStable && ended is uint last) marks.Ended(last, _length);
        _isOpen = false;
    }

    // The number of the era that has been ended; null when it cannot be, and is found open later.
    private uint? Archive() => worker.Run(static eras => eras.Archive() ? eras.Usage.CurrentEra : (uint?)null);

    private void Publish(uint next) => Volatile.Write(ref _era, next);
}
