using System.Diagnostics;

namespace DmEra.EndToEnd;

/// <summary>Waits for what happens by itself, such as digestion.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Asks again and again until the answer is as expected; fails the test after half a minute.</summary>
    public static void Equal(string expected, Func<string> actual, string when)
    {
        long start = Stopwatch.GetTimestamp();
        string answer;
        while ((answer = actual()) != expected)
        {
            if (Stopwatch.GetElapsedTime(start) > Limit) Assert.Fail($"{when}: '{answer}' does not become '{expected}'");
            Thread.Sleep(Pause);
        }
    }
}
