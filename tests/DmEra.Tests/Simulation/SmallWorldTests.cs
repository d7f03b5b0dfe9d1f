using DmEra.Simulation.Exhaustive;
using Xunit.Abstractions;

namespace DmEra.Tests.Simulation;

public class SmallWorldTests(ITestOutputHelper output)
{
    [Fact]
    public void Nothing_acknowledged_is_forgotten_by_any_sequence_of_three_operations_wherever_the_power_goes()
    {
        SmallWorld world = new();
        world.TryAll(longest: 3);

        output.WriteLine(world.ToString());
        long operations = SmallOperation.All.Length;
        Assert.Equal(1 + operations + (operations * operations) + (operations * operations * operations), world.Sequences);
        Assert.True(world.CrashPoints > 90_000, $"{world.CrashPoints} crash points");
    }
}
