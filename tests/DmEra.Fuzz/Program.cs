using System.Diagnostics;
using System.Globalization;
using DmEra.Fuzz;
using DmEra.Fuzz.Metadata;

switch (args)
{
    case ["run", "--seed", string seed]:
        return Run(int.Parse(seed, CultureInfo.InvariantCulture), 1, TimeSpan.MaxValue);
    case ["run", "--seed", string seed, "--cases", string cases]:
        return Run(int.Parse(seed, CultureInfo.InvariantCulture), int.Parse(cases, CultureInfo.InvariantCulture), TimeSpan.MaxValue);
    case ["run", "--minutes", string minutes]:
        int first = Environment.TickCount & 0x3FFFFFFF;
        return Run(first, int.MaxValue - first, TimeSpan.FromMinutes(double.Parse(minutes, CultureInfo.InvariantCulture)));
    default:
        Console.Error.WriteLine("fuzz run --seed N             replay one case");
        Console.Error.WriteLine("fuzz run --seed N --cases K   run K cases from seed N on");
        Console.Error.WriteLine("fuzz run --minutes M          explore new ones");
        return 2;
}

static int Run(int firstSeed, int count, TimeSpan limit)
{
    Stopwatch watch = Stopwatch.StartNew();
    try
    {
        (long cases, Coverage coverage) = FuzzRun.Run(FuzzImages.All, firstSeed, count, limit);
        foreach ((string what, long times) in coverage.Counts) Console.WriteLine($"{times,10} {what}");
        Console.WriteLine($"{cases} cases from seed {firstSeed} on, {watch.Elapsed.TotalSeconds:F0} s: nothing found");
        return 0;
    }
    catch (FuzzException finding)
    {
        Console.Error.WriteLine(finding);
        return 1;
    }
}
