using DmEra.Target.History;
using DmEra.Tools.Writing;

namespace DmEra.Tools.Repair;

/// <summary>A piece that could not be saved: its blocks come out as written in the current era.</summary>
/// <param name="Place">The structure it was in, as in "writeset of era 5".</param>
/// <param name="Cause">What was wrong with it.</param>
/// <param name="Path">The metadata blocks that lead to it, the faulty one last.</param>
/// <param name="Blocks">The origin blocks it told of.</param>
public sealed record Loss(string Place, string Cause, IReadOnlyList<ulong> Path, BlockRange Blocks);

/// <summary>What was made of damaged metadata.</summary>
/// <param name="Geometry">What the new metadata says of the device.</param>
/// <param name="Losses">What could not be saved; of endless losses the first thousand.</param>
/// <param name="LossCount">All losses.</param>
/// <param name="BlocksAssumedWritten">Origin blocks that come out as written in the current era because of them.</param>
public sealed record RepairReport(
    EraGeometry Geometry, IReadOnlyList<Loss> Losses, int LossCount, ulong BlocksAssumedWritten);
