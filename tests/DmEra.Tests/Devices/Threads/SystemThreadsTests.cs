using DmEra.Devices.Threads;
using DmEra.Tests.Target;

namespace DmEra.Tests.Devices.Threads;

public class SystemThreadsTests
{
    [Theory]
    [InlineData(-1.5)]      // which would be the -1 ms that stand for no limit
    [InlineData(-5000)]
    [InlineData(0)]
    public void A_wait_whose_limit_has_passed_is_over_at_once(double milliseconds)
    {
        IMonitor monitor = SystemThreads.Instance.CreateMonitor();
        Background wait = Background.Run(() =>
        {
            using MonitorHold hold = monitor.Hold();
            Assert.False(monitor.Wait(TimeSpan.FromMilliseconds(milliseconds)));
        });

        wait.Join();
    }
}
