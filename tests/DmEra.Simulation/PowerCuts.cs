using DmEra.Simulation.Devices;
using DmEra.Simulation.Scheduling;

namespace DmEra.Simulation;

/// <summary>At every disk operation: were the power to go now, would anything be forgotten?</summary>
internal sealed class PowerCuts(World world, SimulatedDisk metadata, Random random, WorldShape shape)
{
    public void Imagine()
    {
        for (int i = 0; i < shape.PowerCutsPerOperation; i++)
        {
            world.Coverage.PowerCuts++;
            if (world.FindLie(metadata.AfterPowerCut(random)) is { } lie)
                throw new SimulationException($"power cut at disk operation {world.Coverage.PowerCuts}: {lie}");
        }
    }
}
