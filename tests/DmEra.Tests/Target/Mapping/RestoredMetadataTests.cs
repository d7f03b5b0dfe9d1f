using DmEra.Devices;
using DmEra.Target.History;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

/// <summary>Metadata restored from a text need not be as a device leaves it.</summary>
public class RestoredMetadataTests
{
    [Fact]
    public void Digestion_never_replaces_a_later_era_by_an_earlier_one()
    {
        using TempFolder folder = new();
        string text = folder["restored.xml"];
        File.WriteAllText(
            text,
            """
            <superblock uuid="" block_size="8" nr_blocks="10" current_era="7">
              <writeset era="3" nr_bits="10">
                <bit block="1" value="true"/>
                <bit block="2" value="true"/>
              </writeset>
              <era_array>
                <era block="1" era="5"/>
                <era block="2" era="1"/>
              </era_array>
            </superblock>
            """);
        EraTable table = new(0, 80, folder.Sparse("meta", 1 << 20), folder.Sparse("origin", 80 * 512), 8);
        Oracle.Run("era_restore", "-i", text, "-o", folder["meta"]).AssertSuccess();

        using (EraTarget target = EraTarget.Create(table, new EraTargetOptions()))
        {
            target.Resume();
            for (int i = 0; i < 3; i++)
            {
                target.Checkpoint();    // the worker digests between these
                target.Device.Write(9 * 4096, new byte[512]);
            }
        }

        using FileBlockDevice metadata = FileBlockDevice.OpenReadOnly(folder["meta"]);
        using EraHistory history = EraHistory.Open(metadata);
        uint[] eras = new uint[10];
        history.ReadEras(0, eras);
        Assert.Equal(5u, eras[1]);
        Assert.Equal(3u, eras[2]);
    }
}
