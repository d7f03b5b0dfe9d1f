using DmEra.Simulation.Devices;

namespace DmEra.Simulation.Model;

/// <summary>A change that a client asked for and has not yet heard of.</summary>
/// <param name="Content">What it writes.</param>
/// <param name="FirstBlock">The first origin block that it touches.</param>
/// <param name="EndBlock">The block behind the last one.</param>
internal sealed record Change(ContentModel.Stamp Content, int FirstBlock, int EndBlock);

/// <summary>Tells the models what clients ask for and what becomes of it. What was not acknowledged may still happen for as long as
/// the program lives, and counts as under way.</summary>
/// <param name="eras">Of eras.</param>
/// <param name="content">Of content.</param>
/// <param name="newestEra">The newest era that can have begun by now.</param>
internal sealed class Witness(EraModel eras, ContentModel content, Func<uint> newestEra)
{
    /// <summary>The origin blocks that a range of bytes touches.</summary>
    public static (int First, int End) Blocks(long offset, long length) =>
        ((int)(offset / WorldShape.BlockBytes), (int)((offset + length - 1) / WorldShape.BlockBytes) + 1);

    /// <summary>A client asks for a change.</summary>
    public Change Begin(int firstSector, int sectors, bool isZero)
    {
        (int first, int end) = Blocks((long)firstSector * DiskContent.Sector, (long)sectors * DiskContent.Sector);
        eras.Begin(first, end);
        return new Change(content.Begin(firstSector, sectors, isZero), first, end);
    }

    /// <summary>It was done, and the client knows.</summary>
    public void Acknowledge(Change change, bool isStable = false)
    {
        if (isStable) content.EndStable(change.Content);
        else content.End(change.Content);
        eras.End(change.FirstBlock, change.EndBlock, newestEra());
    }

    /// <summary>Carries a change out in the thread that asks for it.</summary>
    public void Perform(int firstSector, int sectors, bool isZero, Action<byte[]> request)
    {
        Change change = Begin(firstSector, sectors, isZero);
        request(ContentModel.BytesOf(change.Content));
        Acknowledge(change);
    }

    /// <summary>Carries out, in the thread that asks for it, what makes all that was acknowledged before it stable.</summary>
    public T Flush<T>(Func<T> request)
    {
        long began = content.BeginFlush();
        T result = request();
        content.EndFlush(began);
        return result;
    }
}
