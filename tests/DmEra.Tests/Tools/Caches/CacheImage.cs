using System.Xml.Linq;
using DmEra.Tools.Caches;

namespace DmEra.Tests.Tools.Caches;

/// <summary>Metadata of dm-cache, made by cache_restore.</summary>
internal static class CacheImage
{
    /// <summary>Makes a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="version">Of the format: 1 or 2.</param>
    /// <param name="blockSizeSectors">Size of a cache block.</param>
    /// <param name="blockCount">Cache blocks.</param>
    /// <param name="mappings">Those in use.</param>
    /// <param name="options">Of cache_restore's.</param>
    public static void Create(
        string path, int version, uint blockSizeSectors, uint blockCount, IEnumerable<CacheMapping> mappings, params string[] options)
    {
        XElement superblock = new(
            "superblock",
            new XAttribute("uuid", ""),
            new XAttribute("block_size", blockSizeSectors),
            new XAttribute("nr_cache_blocks", blockCount),
            new XAttribute("policy", "smq"),
            new XAttribute("hint_width", 4),
            new XElement("mappings", mappings.Select(mapping => new XElement(
                "mapping",
                new XAttribute("cache_block", mapping.CacheBlock),
                new XAttribute("origin_block", mapping.OriginBlock),
                new XAttribute("dirty", mapping.IsDirty)))),
            new XElement("hints"));
        File.WriteAllText($"{path}.xml", superblock.ToString());
        using (FileStream file = new(path, FileMode.Create)) file.SetLength(4 << 20);
        Oracle.Run("cache_restore", ["-i", $"{path}.xml", "-o", path, "--metadata-version", $"{version}", .. options]).AssertSuccess();
    }

    /// <summary>What cache_dump reads: block and origin block. Of version 0.9.0: it takes all of a version 2 cache for clean.</summary>
    public static IEnumerable<(uint CacheBlock, ulong OriginBlock)> Dump(string path) =>
        XElement.Parse(Oracle.Run("cache_dump", path).AssertSuccess().Output).Descendants("mapping")
            .Select(mapping => ((uint)mapping.Attribute("cache_block")!, (ulong)mapping.Attribute("origin_block")!));
}
