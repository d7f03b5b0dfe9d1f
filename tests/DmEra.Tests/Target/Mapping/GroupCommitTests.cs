using DmEra.Devices;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

public class GroupCommitTests
{
    [Fact]
    public void Marks_that_come_while_a_commit_runs_share_the_next_one()
    {
        using TestEra era = TestEra.Active();
        using Gate commit = new();
        int commits = 0;
        era.Metadata.Before = operation =>
        {
            if (operation is { Call: DeviceCall.Write, Offset: 0 }) Interlocked.Increment(ref commits);
            if (operation.Call == DeviceCall.Flush) commit.Pass();
        };
        Background first = Background.Run(() => era.Write(0));
        commit.UntilArrived();
        Background[] others = [.. Enumerable.Range(1, 31).Select(block => Background.Run(() => era.Write(block)))];
        era.Threads.UntilWaiting(32);

        commit.Open();
        first.Join();
        Assert.All(others, other => other.Join());
        Assert.Equal(2, commits);
        Assert.Equal(32, era.WrittenSince(1).Length);
    }

    [Fact]
    public void Marks_that_were_made_meanwhile_cost_no_commit()
    {
        using TestEra era = TestEra.Active();
        using Gate commit = new();
        int commits = 0;
        era.Metadata.Before = operation =>
        {
            if (operation is { Call: DeviceCall.Write, Offset: 0 }) Interlocked.Increment(ref commits);
            if (operation.Call == DeviceCall.Flush) commit.Pass();
        };
        Background first = Background.Run(() => era.Write(0));
        commit.UntilArrived();
        Background second = Background.Run(() => era.Write(0));
        era.Threads.UntilWaiting(2);
        commit.Open();
        first.Join();
        second.Join();
        Assert.Equal(1, commits);
    }

    [Fact]
    public void One_writer_at_a_time_is_never_kept_waiting_for_others()
    {
        using TestEra era = TestEra.Active();
        for (int block = 0; block < 50; block++) era.Write(block);
        era.Target.Checkpoint();
        for (int block = 0; block < 50; block++) era.Write(block);
        Assert.Equal(0, era.Threads.TimedWaits);
    }

    [Fact]
    public void Failed_group_tells_everyone_in_it()
    {
        using TestEra era = TestEra.Active();
        using Gate commit = new();
        bool isBroken = false;
        era.Metadata.Before = operation =>
        {
            if (isBroken) throw new DeviceException("disk broke", Errno.EIO);
            if (operation.Call == DeviceCall.Flush) commit.Pass();
        };
        Background first = Background.Run(() => era.Write(0));
        commit.UntilArrived();
        Background[] others = [.. Enumerable.Range(1, 5).Select(block => Background.Run(() => era.Write(block)))];
        era.Threads.UntilWaiting(6);
        isBroken = true;
        commit.Open();

        Assert.Equal(Errno.EIO, Assert.Throws<DeviceException>(first.Join).Errno);
        Assert.All(others, other => Assert.Equal(Errno.EIO, Assert.Throws<DeviceException>(other.Join).Errno));
    }

    [Fact]
    public void Calls_are_served_in_the_order_they_came()
    {
        // dm-era serves the last one first.
        WatchedThreads threads = new();
        EraWorker worker = new(new TestTransactions(new ProbeDevice(1 << 20)).Eras, new MarkAhead(0), threads);
        using Gate gate = new();
        List<int> order = [];
        List<Background> calls = [Call(gate.Pass)];
        gate.UntilArrived();
        for (int i = 1; i <= 5; i++)
        {
            int number = i;
            calls.Add(Call(() => order.Add(number)));
            threads.UntilWaiting(calls.Count);
        }

        gate.Open();
        Assert.All(calls, call => call.Join());
        worker.Stop();
        Assert.Equal([1, 2, 3, 4, 5], order);

        Background Call(Action body) => Background.Run(() => worker.Run<object?>(_ =>
        {
            body();
            return null;
        }));
    }
}
