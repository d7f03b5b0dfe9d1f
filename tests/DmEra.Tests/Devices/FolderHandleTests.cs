using DmEra.Devices;

namespace DmEra.Tests.Devices;

public class FolderHandleTests
{
    [Fact]
    public void A_folder_that_its_file_system_cannot_flush_is_as_durable_as_it_gets()
    {
        using FolderHandle folder = FolderHandle.Open("/proc/self");    // EINVAL

        folder.Flush();
    }

    [Theory]
    [InlineData(Errno.EINVAL, false)]
    [InlineData(Errno.ENOTSUP, false)]
    [InlineData(Errno.EIO, true)]
    [InlineData(Errno.ENOSPC, true)]
    [InlineData(Errno.EDQUOT, true)]
    [InlineData(Errno.EROFS, true)]
    public void Only_a_flush_that_there_is_not_may_fail(int errno, bool mayBeLost) => Assert.Equal(mayBeLost, FolderHandle.MayBeLost(errno));
}
