using DmEra.Simulation.Devices;
using DmEra.Simulation.Scheduling;

namespace DmEra.Simulation.Exhaustive;

/// <summary>
/// A world so small that all of it can be tried: every sequence of a few operations, the power cut at every disk
/// operation, with every subset of the writes that were not flushed, each torn at any sector.
/// </summary>
/// <remarks>A run follows from its operations, so those before the last one do the same as in the shorter sequence that
/// ends there: crash points are judged from the beginning of the last operation on, to the end of the run.</remarks>
internal sealed class SmallWorld
{
    private static readonly WorldShape Shape = new()
    {
        Sectors = (3 * WorldShape.SectorsPerBlock) - 3,
        MetadataBlocks = 40,
        Observers = 1,
    };

    /// <summary>Sequences run.</summary>
    public long Sequences { get; private set; }

    /// <summary>Disk operations at which the power was cut.</summary>
    public long CrashPoints { get; private set; }

    /// <summary>Subsets of unflushed writes, torn ones not counted, summed over the crash points.</summary>
    public long Subsets { get; private set; }

    /// <summary>States that torn writes make of these, summed likewise.</summary>
    public double TornStates { get; private set; }

    /// <summary>States that a reader can tell apart, of all these: each was looked at.</summary>
    public long States { get; private set; }

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Sequences} sequences, {CrashPoints} crash points, {Subsets} subsets of unflushed writes "
            + $"({TornStates:G2} with torn ones), of which a reader can tell {States} states apart";

    /// <summary>Tries all sequences of up to so many operations.</summary>
    /// <exception cref="SimulationException">Something that was acknowledged is forgotten.</exception>
    public void TryAll(int longest) => TryAll([], longest);

    /// <summary>Tries one sequence.</summary>
    /// <exception cref="SimulationException">Something that was acknowledged is forgotten.</exception>
    public void Try(IReadOnlyList<SmallOperation> sequence)
    {
        Sequences++;
        World world = new(Shape, new Coverage());
        Queue<SmallOperation> left = new(sequence);
        try
        {
            Ending ending;
            do
            {
                ending = new SmallLife(world, () => Judge(world, left)).Run(left);
                Judge(world, left);
                if (ending is Ending.LostAll)
                    world.Restart(world.Metadata.Stable.ToArray(), world.Origin.Stable.ToArray());
                if (ending is Ending.KeptAll)
                    world.Restart(world.Metadata.Visible.ToArray(), world.Origin.Visible.ToArray());
            }
            while (ending != Ending.Stopped);
        }
        catch (SimulationException broken)
        {
            string names = string.Join(", ", sequence.Select(operation => operation.Name));
            throw new SimulationException($"{broken.Message}\nreplay: simulation small --operations '{names}'", broken);
        }
    }

    private void TryAll(List<SmallOperation> begun, int longest)
    {
        Try(begun);
        if (begun.Count == longest) return;
        foreach (SmallOperation next in SmallOperation.All)
        {
            begun.Add(next);
            TryAll(begun, longest);
            begun.RemoveAt(begun.Count - 1);
        }
    }

    private void Judge(World world, Queue<SmallOperation> left)
    {
        if (left.Count > 0) return;
        CrashPoints++;
        JudgeMetadata(world, JudgeOrigin(world));
    }

    private void JudgeMetadata(World world, byte[] origin)
    {
        using PowerCutOutcomes left = world.Metadata.AllAfterPowerCut();
        Subsets = checked(Subsets + (1L << left.WriteCount));
        TornStates += left.StateCount;
        do
        {
            States++;
            if ((world.FindLie(left, origin) ?? World.FindFault(left)) is { } fault)
                throw new SimulationException($"power cut at crash point {CrashPoints}: {fault}");
        }
        while (left.TryNext());
    }

    // What a sector may hold does not depend on the others: so each is judged by itself. Returns, of all states in which the
    // disk may be found, one that differs from the observer's copy wherever any does.
    private byte[] JudgeOrigin(World world)
    {
        using PowerCutOutcomes left = world.Origin.AllAfterPowerCut();
        byte[] worst = world.Origin.Stable.ToArray();
        for (int sector = 0; sector < left.Length / DiskContent.Sector; sector++)
        {
            foreach (ReadOnlyMemory<byte> version in left.Versions(sector))
            {
                if (world.Content.FindLoss(sector, version.Span) is { } loss)
                    throw new SimulationException($"power cut at crash point {CrashPoints}: {loss}");
                if (world.Observers[0].Differs(sector, version.Span))
                    version.CopyTo(worst.AsMemory(sector * DiskContent.Sector));
            }
        }

        return worst;
    }
}
