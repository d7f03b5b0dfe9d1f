using DmEra.Devices;

namespace DmEra.Simulation;

/// <summary>At every disk operation: were the power to go now, would anything be forgotten?</summary>
internal sealed class PowerCuts(World world, Random random)
{
    // era check reads everything, and takes several times as long as the comparison with the model.
    private const int CheckOneIn = 16;

    /// <summary>Cuts the power in imagination.</summary>
    /// <returns>What is wrong then; null when nothing is.</returns>
    public string? Imagine()
    {
        world.Coverage.PowerCuts++;
        MemoryBlockDevice left = new(world.Metadata.AfterPowerCut(random));
        string? fault = world.FindLie(left, world.Origin.AfterPowerCut(random));
        if (fault is null && random.Next(CheckOneIn) == 0) fault = World.FindFault(left);
        return fault is null ? null : $"power cut at disk operation {world.Coverage.PowerCuts}: {fault}";
    }
}
