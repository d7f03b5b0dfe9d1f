using DmEra.Simulation.Devices;
using DmEra.Simulation.Scheduling;

namespace DmEra.Simulation;

/// <summary>Runs worlds from seeds.</summary>
internal static class Worlds
{
    private const int MostLives = 4;
    private const int ErasInABlock = 1018;

    /// <summary>Runs one world through a few lives.</summary>
    /// <param name="seed">Decides everything that happens.</param>
    /// <param name="coverage">Counts what happened.</param>
    /// <param name="afterLife">Is given the world that each life leaves.</param>
    /// <exception cref="SimulationException">It broke a promise; the text has the command that replays it.</exception>
    public static void Run(int seed, Coverage coverage, Action<World>? afterLife = null)
    {
        Random random = new(seed);
        WorldShape shape = new()
        {
            Sectors = SomeLength(random, isLong: seed % 16 == 7),
            MetadataBlocks = random.Next(26, 90),
            MetadataCanGrow = random.Next(4) == 0,
            MetadataIsSparse = seed % 3 == 1,
            MarkAhead = seed % 8 is 1 or 4 or 6 or 7 ? 1 + (seed / 8 % 12) : 0,
            HasRemoteOrigin = seed % 4 == 3,
            HasChronicle = random.Next(2) == 0,
        };
        using World world = new(shape, coverage, seed);
        try
        {
            for (int lives = random.Next(1, (shape.HasChronicle ? 2 : 1) * MostLives + 1); lives > 0; lives--)
            {
                new Life(random.Next(), world, FaultMenu.Choose).Run();
                afterLife?.Invoke(world);
                if (random.Next(2) == 0) world.RollBack((Rollback)random.Next(4));
                else world.Save(world.Length);
            }
        }
        catch (SimulationException broken)
        {
            throw new SimulationException($"{broken.Message}\nreplay: simulation run --seed {seed}", broken);
        }
    }

    // In half of them the last block is a part of one. Long ones have full blocks of the era array that are one at first; they take
    // their time.
    private static int SomeLength(Random random, bool isLong)
    {
        int blocks = isLong ? random.Next((2 * ErasInABlock) + 1, 3 * ErasInABlock) : random.Next(3) == 0 ? random.Next(2, 6) : random.Next(16, 80);
        int missing = random.Next(2) == 0 ? 0 : random.Next(1, WorldShape.SectorsPerBlock);
        return (blocks * WorldShape.SectorsPerBlock) - missing;
    }
}
