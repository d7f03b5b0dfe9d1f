using DmEra.Backup.Stores;
using DmEra.Tests.Nbd;

namespace DmEra.Tests.Backup.Stores;

public class ParallelWorkTests
{
    [Fact]
    public void Where_a_thread_is_not_to_be_had_those_that_there_are_have_ended_before_anybody_is_told()
    {
        using ManualResetEventSlim taken = new();
        using ManualResetEventSlim refused = new();
        ScarceThreads threads = new(1)
        {
            Refusing = () =>
            {
                Wait.For(taken);
                refused.Set();
            },
        };
        bool isDone = false;

        Assert.Throws<OutOfMemoryException>(() => ParallelWork<int>.Run(threads, [1, 2, 3], 2, () => Work, CancellationToken.None));

        Assert.True(Volatile.Read(ref isDone));

        void Work(int item)
        {
            Assert.Equal(1, item);      // no more are taken
            taken.Set();
            Wait.For(refused);
            for (int i = 0; i < 1000; i++) Thread.Yield();      // so that who does not wait for it is seen not to
            Volatile.Write(ref isDone, true);
        }
    }
}
