using System.Security.Cryptography;
using Amazon.S3.Model;
using DmEra.Backup.Stores;

namespace DmEra.Tests.Backup.Stores;

/// <summary>A bucket whose objects are locked takes nothing without a checksum.</summary>
public class S3ChecksumTests
{
    [Fact]
    public void What_is_written_has_the_checksum_that_every_server_knows()
    {
        PutObjectRequest request = new();
        S3Store.AddChecksum(request, "abc"u8, static _ => [1, 2, 3]);

        Assert.Equal("AQID", request.MD5Digest);
        Assert.Null(request.ChecksumSHA256);
    }

    [Fact]
    public void Where_md5_may_not_be_computed_it_has_another_one()
    {
        PutObjectRequest request = new();
        S3Store.AddChecksum(request, "abc"u8, static _ => throw new CryptographicException("disabled for FIPS"));

        Assert.Null(request.MD5Digest);
        Assert.Equal(Convert.ToBase64String(SHA256.HashData("abc"u8)), request.ChecksumSHA256);
    }
}
