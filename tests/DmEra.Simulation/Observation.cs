using System.Globalization;
using System.Text.Json;
using DmEra.Devices;
using DmEra.Simulation.Model;
using DmEra.Simulation.Scheduling;
using DmEra.Target.History;
using DmEra.Target.Mapping;

namespace DmEra.Simulation;

/// <summary>What an observer does with a running device: he sees the number of an era somewhere, copies what is listed since
/// the one before, and takes the copy for what it should be.</summary>
internal sealed class Observation(RunningDevice device, Observer observer, Random random)
{
    private const string SinceContext = "era:since-";

    // A list from before any of it was there: all that it is asked for is its number.
    private static readonly (string Where, Func<RunningDevice, uint> See)[] Sights =
    [
        ("a status", device => device.Target.Status.CurrentEra),
        ("a view of the history", SeeHistory),
        ("a list in JSON", SeeList),
        ("the names of contexts", SeeContexts),
        ("era:last of a block", SeeLastWritten),
        ("the answer to a checkpoint", device => device.Checkpoint()),
    ];

    /// <summary>Makes one.</summary>
    public void Make()
    {
        if (random.Next(4) == 0)
        {
            device.WhilePaused(CopyAtRest);
            return;
        }

        (string where, Func<RunningDevice, uint> see) = Sights[random.Next(Sights.Length)];
        uint era = see(device);
        CopyChanges(era, device.Target.MarkOf(era), where);
    }

    /// <summary>Copies what is listed, while the device is in use.</summary>
    /// <param name="era">The number that he saw.</param>
    /// <param name="mark">Its mark; null when it has none.</param>
    /// <param name="where">Where he saw it.</param>
    public void CopyChanges(uint era, Guid? mark, string where)
    {
        device.Tell(era);
        if (!observer.Ask(device.Target.History)) device.World.Coverage.Count("observer is refused, and begins anew");
        if (observer.Since > era) return;   // he knows the moment that a device is still at that waits
        int length = (int)device.Target.Status.LengthSectors;
        foreach (int block in List(length))
        {
            device.Scheduler.Yield();
            observer.Copy(block, device.World.Origin.Visible, length);
        }

        observer.Finish(era, mark, where, length);
        device.World.Coverage.Count($"observer copies since an era seen in {where}");
    }

    // The mark of this moment is that of the era that begins when the pause ends.
    private void CopyAtRest(EraPause pause)
    {
        if (pause.Next is { } next) CopyChanges(next.Era, next.Mark, "a pause");
        else CopyChanges(pause.LastEra, mark: null, "a pause");
        if (observer.FindDifference(device.World.Origin.Visible) is { } stale) throw new SimulationException(stale);
    }

    private List<int> List(int length)
    {
        using EraHistory history = device.Target.OpenHistory();
        RequireRefusal(history);
        List<int> blocks = [];
        foreach (BlockRange run in history.WrittenSince(observer.Since))
        {
            for (uint block = run.Begin; block < run.End; block++) blocks.Add((int)block);
        }

        // What the list does not reach counts as changed.
        for (int block = (int)history.NrBlocks; block < WorldShape.BlocksIn(length); block++) blocks.Add(block);
        return blocks;
    }

    // Nobody can have seen an era that is to come: it is one of another history, of which this one knows nothing.
    private static void RequireRefusal(EraHistory history)
    {
        uint era = history.CurrentEra + 1;
        try
        {
            _ = history.WrittenSince(era);
        }
        catch (EraNotBegunException)
        {
            return;
        }

        throw new SimulationException($"what was written since era {era} is listed, though it has not begun");
    }

    private static uint SeeHistory(RunningDevice device)
    {
        using EraHistory history = device.Target.OpenHistory();
        return history.CurrentEra;
    }

    private static uint SeeList(RunningDevice device)
    {
        using MemoryStream list = new();
        using EraHistory history = device.Target.OpenHistory();
        ChangeList.Write(list, history, since: 0, ChangeListFormat.Json);
        return JsonDocument.Parse(list.ToArray()).RootElement.GetProperty("currentEra").GetUInt32();
    }

    private static uint SeeContexts(RunningDevice device) =>
        new EraContexts(device.Target).Names
            .Where(name => name.StartsWith(SinceContext, StringComparison.Ordinal))
            .Select(name => uint.Parse(name[SinceContext.Length..], CultureInfo.InvariantCulture))
            .DefaultIfEmpty()
            .Max();

    private static uint SeeLastWritten(RunningDevice device)
    {
        List<Extent> extents = [];
        new EraContexts(device.Target).Find("era:last")!.Describe(0, device.Target.Device.Length, int.MaxValue, extents);
        return extents.Select(extent => extent.Status).DefaultIfEmpty().Max();
    }
}
