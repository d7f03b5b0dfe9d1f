using System.Diagnostics;
using System.Globalization;
using DmEra.Simulation;
using DmEra.Simulation.Scheduling;

switch (args)
{
    case ["run", "--seed", string seed]:
        return Explore(int.Parse(seed, CultureInfo.InvariantCulture), count: 1, TimeSpan.MaxValue);
    case ["run", "--seed", string seed, "--worlds", string worlds]:
        return Explore(
            int.Parse(seed, CultureInfo.InvariantCulture),
            int.Parse(worlds, CultureInfo.InvariantCulture),
            TimeSpan.MaxValue);
    case ["run", "--minutes", string minutes]:
        int first = Environment.TickCount & 0xFFFFFF;
        return Explore(first, int.MaxValue - first, TimeSpan.FromMinutes(double.Parse(minutes, CultureInfo.InvariantCulture)));
    default:
        Console.Error.WriteLine("simulation run --seed N              replay one world");
        Console.Error.WriteLine("simulation run --seed N --worlds K   run K worlds from seed N on");
        Console.Error.WriteLine("simulation run --minutes M           explore new ones");
        return 2;
}

static int Explore(int firstSeed, int count, TimeSpan limit)
{
    Coverage coverage = new();
    Stopwatch watch = Stopwatch.StartNew();
    int worlds = 0;
    try
    {
        for (; worlds < count && watch.Elapsed < limit; worlds++) Worlds.Run(firstSeed + worlds, coverage);
    }
    catch (SimulationException broken)
    {
        Console.Error.WriteLine(broken);
        Print(coverage);
        return 1;
    }

    Console.WriteLine($"{worlds} worlds from seed {firstSeed} on, {coverage.PowerCuts} power cuts: nothing forgotten");
    Print(coverage);
    return 0;
}

static void Print(Coverage coverage)
{
    foreach ((string fault, long lives) in coverage.Faults) Console.WriteLine($"{lives,10} lives: {fault}");
}
