using System.Diagnostics;
using System.Globalization;
using DmEra.Simulation;
using DmEra.Simulation.Backups;
using DmEra.Simulation.Exhaustive;
using DmEra.Simulation.Scheduling;

switch (args)
{
    case ["run", "--seed", string seed]:
        return Explore(RunDevice, int.Parse(seed, CultureInfo.InvariantCulture), count: 1, TimeSpan.MaxValue);
    case ["run", "--seed", string seed, "--worlds", string worlds]:
        return Explore(
            RunDevice,
            int.Parse(seed, CultureInfo.InvariantCulture),
            int.Parse(worlds, CultureInfo.InvariantCulture),
            TimeSpan.MaxValue);
    case ["run", "--minutes", string minutes]:
        return ExploreFor(RunDevice, minutes);
    case ["backups", "--seed", string seed]:
        return Explore(RunBackups, int.Parse(seed, CultureInfo.InvariantCulture), count: 1, TimeSpan.MaxValue);
    case ["backups", "--seed", string seed, "--worlds", string worlds]:
        return Explore(
            RunBackups,
            int.Parse(seed, CultureInfo.InvariantCulture),
            int.Parse(worlds, CultureInfo.InvariantCulture),
            TimeSpan.MaxValue);
    case ["backups", "--minutes", string minutes]:
        return ExploreFor(RunBackups, minutes);
    case ["sweep", "--seed", string seed]:
        return Sweep(int.Parse(seed, CultureInfo.InvariantCulture));
    case ["small", "--longest", string longest]:
        return TrySmallWorlds(world => world.TryAll(int.Parse(longest, CultureInfo.InvariantCulture)));
    case ["small", "--operations", string names]:
        return TrySmallWorlds(world => world.Try([.. names.Split(", ").Select(SmallOperation.Named)]));
    default:
        Console.Error.WriteLine("simulation run --seed N              replay one world");
        Console.Error.WriteLine("simulation run --seed N --worlds K   run K worlds from seed N on");
        Console.Error.WriteLine("simulation run --minutes M           explore new ones");
        Console.Error.WriteLine("simulation backups ...               the same of worlds of several machines and one repository");
        Console.Error.WriteLine("simulation sweep --seed N            one small life, with a fault at every single disk operation");
        Console.Error.WriteLine("simulation small --longest N         try all sequences of up to N operations, and all crash points");
        Console.Error.WriteLine("simulation small --operations 'A, B' try one of them");
        return 2;
}

static int Sweep(int seed)
{
    Coverage coverage = new();
    try
    {
        Console.WriteLine($"{FaultSweep.Run(seed, coverage)} faults, {coverage.PowerCuts} power cuts: nothing forgotten");
    }
    catch (SimulationException broken)
    {
        Console.Error.WriteLine(broken);
        return 1;
    }

    Console.WriteLine(coverage);
    return 0;
}

static int TrySmallWorlds(Action<SmallWorld> attempt)
{
    SmallWorld world = new();
    try
    {
        attempt(world);
    }
    catch (SimulationException broken)
    {
        Console.Error.WriteLine(broken);
        return 1;
    }

    Console.WriteLine($"{world}: nothing forgotten");
    return 0;
}

static void RunDevice(int seed, Coverage coverage) => Worlds.Run(seed, coverage);

static void RunBackups(int seed, Coverage coverage) => BackupWorld.Run(seed, coverage);

static int ExploreFor(Action<int, Coverage> run, string minutes)
{
    int first = Random.Shared.Next(int.MaxValue / 2);     // two that run side by side do not do the same
    return Explore(run, first, int.MaxValue - first, TimeSpan.FromMinutes(double.Parse(minutes, CultureInfo.InvariantCulture)));
}

static int Explore(Action<int, Coverage> run, int firstSeed, int count, TimeSpan limit)
{
    Coverage coverage = new();
    Stopwatch watch = Stopwatch.StartNew();
    int worlds = 0;
    try
    {
        for (; worlds < count && watch.Elapsed < limit; worlds++) run(firstSeed + worlds, coverage);
    }
    catch (SimulationException broken)
    {
        Console.Error.WriteLine(broken);
        Console.Error.WriteLine(coverage);
        return 1;
    }

    Console.WriteLine($"{worlds} worlds from seed {firstSeed} on, {coverage.PowerCuts} power cuts: nothing forgotten");
    Console.WriteLine(coverage);
    return 0;
}
