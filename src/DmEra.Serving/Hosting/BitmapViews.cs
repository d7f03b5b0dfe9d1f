using DmEra.Devices;
using DmEra.Target.Mapping;

namespace DmEra.Serving.Hosting;

/// <summary>For tools that use a bitmap only if there is no other: what is allocated, and what was written since one era or
/// label. What that stands for is looked up whenever it is asked for.</summary>
internal sealed class BitmapViews(EraContexts eras, IBlockStatusCatalog allocation)
{
    /// <summary>The contexts as of an era or label; null when there is none.</summary>
    public IBlockStatusCatalog? Find(string era) =>
        eras.FindBitmap(era) is { } bitmap ? new BlockStatusCatalog([bitmap], [allocation]) : null;

    /// <summary>The same for an export that shows nothing else; no bitmap while there is no such era.</summary>
    public IBlockStatusCatalog Always(string era) => new OneView(this, allocation, era);

    private sealed class OneView(BitmapViews views, IBlockStatusCatalog allocation, string era) : IBlockStatusCatalog
    {
        public IReadOnlyCollection<string> Names => Now.Names;

        private IBlockStatusCatalog Now => views.Find(era) ?? allocation;

        public IBlockStatusContext? Find(string name) => Now.Find(name);
    }
}
