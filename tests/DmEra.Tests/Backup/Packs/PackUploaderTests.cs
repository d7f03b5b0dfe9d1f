using DmEra.Backup.Packs;
using DmEra.Tests.Nbd;

namespace DmEra.Tests.Backup.Packs;

public class PackUploaderTests
{
    [Fact]
    public void Where_a_thread_is_not_to_be_had_those_that_there_are_end()
    {
        ScarceThreads threads = new(1);

        Assert.Throws<OutOfMemoryException>(() => new PackUploader(new MemoryStore(), fillers: 1, threads));

        Wait.Until(() => threads.Running == 0);
    }
}
