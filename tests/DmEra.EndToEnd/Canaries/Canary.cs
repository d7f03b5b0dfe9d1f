using System.Text.RegularExpressions;

namespace DmEra.EndToEnd.Canaries;

/// <summary>A way to break the product, to be woven into a copy of its sources and switched on by its name.</summary>
/// <param name="Name">What the product does wrong while it is on.</param>
/// <param name="File">The source file.</param>
/// <param name="Healthy">What stands there, and just once; how it is broken into lines does not matter.</param>
/// <param name="Woven">What stands there instead, where <c>BROKEN</c> asks whether it is on.</param>
/// <param name="Hunt">Who is to find it.</param>
internal sealed record Canary(string Name, string File, string Healthy, string Woven, Hunt Hunt)
{
    /// <summary>All ways.</summary>
    public static readonly Canary[] All =
    [
        new(
            "writes the superblock before what it points at is flushed",
            "src/DmEra.PersistentData/SpaceMaps/MetadataStore.cs",
            "Transactions.Blocks.Flush(); WriteSuperblock(fill);",
            "if (!BROKEN) Transactions.Blocks.Flush(); WriteSuperblock(fill);",
            Hunt.SmallWorld),
        new(
            "sets the in-core bits before the commit",
            "src/DmEra.Target/Mapping/EraTransactions.cs",
            "if (!group.IsMarkedIn(writeset)) {",
            "if (!group.IsMarkedIn(writeset)) { if (BROKEN) { foreach (BlockRange blocks in group.Ranges) writeset.SetMarked(blocks); }",
            Hunt.Worlds),
        new(
            "takes marks ahead for durable that are in no commit",
            "src/DmEra.Target/Mapping/EraTransactions.cs",
            "foreach (BlockRange blocks in group.Ahead) _metadata.Mark(blocks.Begin, blocks.End);",
            "if (!BROKEN) { foreach (BlockRange blocks in group.Ahead) _metadata.Mark(blocks.Begin, blocks.End); }",
            Hunt.Worlds),
        new(
            "marks ahead of a writer without a bound",
            "src/DmEra.Target/Mapping/WriteStream.cs",
            "Math.Min(_edge + Allowance, blocks)",
            "Math.Min(_edge + (BROKEN ? _limit : Allowance), blocks)",
            Hunt.Worlds),
        new(
            "does not wait for writes of the old era at a checkpoint",
            "src/DmEra.Target/Mapping/EraBoundary.cs",
            "last?.Writes.WaitUntilNone(); MarkDoubtful();",
            "if (!BROKEN) last?.Writes.WaitUntilNone(); MarkDoubtful();",
            Hunt.Worlds),
        new(
            "does not wait for writes when it is suspended",
            "src/DmEra.Target/Mapping/EraBoundary.cs",
            "Writeset? last = gate.Switch(null); last?.Writes.WaitUntilNone();",
            "Writeset? last = gate.Switch(null); if (!BROKEN) last?.Writes.WaitUntilNone();",
            Hunt.Worlds),
        new(
            "tells the number of an era while writes of older ones are on their way",
            "src/DmEra.Target/Mapping/EraBoundary.cs",
            "Writeset? last = gate.Switch(next);",
            "Writeset? last = gate.Switch(next); if (BROKEN) Publish(next.Era);",
            Hunt.Worlds),
        new(
            "does not flush the origin at a checkpoint",
            "src/DmEra.Target/Mapping/EraBoundary.cs",
            "origin.Flush(); marks.Begun(next.Era, _length);",
            "if (!BROKEN) origin.Flush(); marks.Begun(next.Era, _length);",
            Hunt.SmallWorld),
        new(
            "does not flush the origin when it is suspended",
            "src/DmEra.Target/Mapping/EraBoundary.cs",
            "origin.Flush(); } catch { gate.Switch(last);",
            "if (!BROKEN) origin.Flush(); } catch { gate.Switch(last);",
            Hunt.Worlds),
        new(
            "does not flush the origin of a program that was killed",
            "src/DmEra.Target/Mapping/EraTarget.cs",
            "try { origin.Flush(); }",
            "try { if (!BROKEN) origin.Flush(); }",
            Hunt.SmallWorld),
        new(
            "flushes the origin again after it has lost writes, and calls them stable",
            "src/DmEra.Target/Mapping/OriginFlusher.cs",
            "if (Failure is not { } failure) return;",
            "if (BROKEN || Failure is not { } failure) return;",
            Hunt.Worlds),
        new(
            "lists nothing since an era that has not begun",
            "src/DmEra.Target/History/EraHistory.cs",
            "if (era > CurrentEra)",
            "if (era > CurrentEra && !BROKEN)",
            Hunt.SmallWorld),
        new(
            "goes on with the marks of a history that was undone",
            "src/DmEra.Target/Chronicles/EraChronicle.cs",
            "Continuity.WhyAnother(next, found, out isGap) is string why)",
            "Continuity.WhyAnother(next, found, out isGap) is string why && !BROKEN)",
            Hunt.Worlds),
        new(
            "writes to an origin's server again what that has made stable",
            "src/DmEra.Nbd/Client/RemoteServer.cs",
            "_unstable.Forget(mark);",
            "if (!BROKEN) _unstable.Forget(mark);",
            Hunt.Worlds),
        new(
            "grants two pauses at once",
            "src/DmEra.Target/Mapping/EraTarget.Waiting.cs",
            "public EraPause Pause() { using Turns.Turn turn = _turns.Take();",
            "public EraPause Pause() { using Turns.Turn turn = _turns.Take(); if (BROKEN && _pause is not null) return _pause;",
            Hunt.Worlds),
        new(
            "goes on after a pause though it was suspended meanwhile",
            "src/DmEra.Target/Mapping/EraTarget.Waiting.cs",
            "if (_isSuspended) return;",
            "if (_isSuspended && !BROKEN) return;",
            Hunt.Worlds),
        new(
            "does not mark a partial block that has grown",
            "src/DmEra.Target/Mapping/EraTarget.Waiting.cs",
            "table.LengthBytes > before ?",
            "table.LengthBytes > before && !BROKEN ?",
            Hunt.SmallWorld),
        new(
            "shows a new length before what it gains is marked",
            "src/DmEra.Target/Mapping/EraTarget.Waiting.cs",
            "_next = next;",
            "_next = next; if (BROKEN) Volatile.Write(ref _table, next);",
            Hunt.Worlds),
        new(
            "marks only the first block of a discard",
            "src/DmEra.Target/Mapping/EraDevice.cs",
            "MakeMarksDurable(writeset, offset, length); Inner.Trim",
            "MakeMarksDurable(writeset, offset, BROKEN ? 1 : length); Inner.Trim",
            Hunt.SmallWorld),
        new(
            "uses blocks anew that were freed in the same transaction",
            "src/DmEra.PersistentData/SpaceMaps/CountBitmap.cs",
            "private void Release(int position) {",
            "private void Release(int position) { if (BROKEN) _held[position / EntriesPerWord] &= ~(1UL << Shift(position));",
            Hunt.SmallWorld),
        new(
            "hands out blocks of a sparse file before they have their space",
            "src/DmEra.PersistentData/SpaceMaps/MetadataSpaceMap.cs",
            "_frontier = _blocks.Device is IReservable ?",
            "_frontier = _blocks.Device is IReservable && !BROKEN ?",
            Hunt.Worlds),
        new(
            "writes to a block in place that several entries share",
            "src/DmEra.PersistentData/Transactions/TransactionManager.cs",
            "if (!incChildren && _shadows.Contains(address)) return",
            "if ((!incChildren && _shadows.Contains(address)) || (BROKEN && SpaceMap.Count(address) > 1 && type.Name == \"array block\")) return",
            Hunt.Worlds),
        new(
            "forgets the writeset of a device that crashed",
            "src/DmEra.Target/Metadata/EraMetadata.cs",
            "_superblock = MemoryMarshal.Read<Superblock>(block.Data);",
            "_superblock = MemoryMarshal.Read<Superblock>(block.Data); if (BROKEN) _superblock.CurrentWriteset.Root = 0;",
            Hunt.SmallWorld),
        new(
            "builds on a superblock that only the system's cache may have",
            "src/DmEra.PersistentData/SpaceMaps/MetadataStore.cs",
            "device.Write((long)SuperblockAddress * BlockManager.BlockSize, _committed); device.Flush();",
            "if (!BROKEN) { device.Write((long)SuperblockAddress * BlockManager.BlockSize, _committed); device.Flush(); }",
            Hunt.SmallWorld),
        new(
            "repeats nothing to a server of the origin that comes back",
            "src/DmEra.Nbd/Client/RemoteServer.cs",
            "_mustRepeat = true; if (_whyAway is not null)",
            "if (!BROKEN) _mustRepeat = true; if (_whyAway is not null)",
            Hunt.Worlds),
        new(
            "repeats nothing after a flush that the server of the origin failed",
            "src/DmEra.Nbd/Client/RemoteServer.cs",
            "_mustRepeat = true; throw;",
            "if (!BROKEN) _mustRepeat = true; throw;",
            Hunt.Worlds),
        new(
            "answers a write before the flush that it asks for is over",
            "src/DmEra.Nbd/Transmission/RequestExecutor.cs",
            "if (request.WantsFlush) _device.Flush(); work.Add(",
            "if (request.WantsFlush && !BROKEN) _device.Flush(); work.Add(",
            Hunt.Worlds),
        new(
            "keeps answers back while a client has begun to say more",
            "src/DmEra.Nbd/Transport/InputBuffer.cs",
            "beforeWaiting?.Invoke();",
            "if (!BROKEN || Available == 0) beforeWaiting?.Invoke();",
            Hunt.Worlds),
        new(
            "has two threads send answers at once",
            "src/DmEra.Nbd/Transmission/ReplyQueue.cs",
            "if (_isSending) return; _isSending = true;",
            "if (_isSending && !BROKEN) return; _isSending = true;",
            Hunt.Worlds),
        new(
            "wakes no worker for a request that waits for one",
            "src/DmEra.Nbd/Transmission/NbdWorkers.cs",
            "if (!needsThread) _gate.Pulse();",
            "if (!needsThread && !BROKEN) _gate.Pulse();",
            Hunt.Worlds),
        new(
            "prunes though somebody holds a lock",
            "src/DmEra.Backup/Images/RepositoryLock.cs",
            "LockKind.Exclusive => true,",
            "LockKind.Exclusive => !BROKEN,",
            Hunt.Backups),
        new(
            "takes a lock for its own though it stood still for longer than that lasts",
            "src/DmEra.Backup/Images/RepositoryLock.cs",
            "if (isGone || IsStale())",
            "if (!BROKEN && (isGone || IsStale()))",
            Hunt.Backups),
        new(
            "removes packs before the images that lead to them",
            "src/DmEra.Backup/Upkeep/Prune.cs",
            "Delete(plan.Dropped.Select(Repository.NameOf));",
            "if (BROKEN) Remove([.. live.All.Where(pack => !pack.IsLive)]); Delete(plan.Dropped.Select(Repository.NameOf));",
            Hunt.Backups),
        new(
            "removes what it has written anew before images lead there",
            "src/DmEra.Backup/Upkeep/Repack.cs",
            "_repository.Republish(",
            "if (!BROKEN) _repository.Republish(",
            Hunt.Backups),
    ];

    /// <summary>Finds a way by its name.</summary>
    public static Canary Named(string name) => All.Single(canary => canary.Name == name);

    /// <summary>Weaves it into the text of its file.</summary>
    /// <returns>false: its place is not there, or not alone.</returns>
    public bool TryWeave(ref string source)
    {
        MatchCollection places = Regex.Matches(source, string.Join(@"\s+", Healthy.Split(' ').Select(Regex.Escape)));
        if (places is not [Match place]) return false;
        string woven = Woven.Replace("BROKEN", $"DmEra.Devices.Canary.Is(\"{Name}\")", StringComparison.Ordinal);
        source = $"{source[..place.Index]}{woven}{source[(place.Index + place.Length)..]}";
        return true;
    }
}

/// <summary>Ways to look for a canary.</summary>
internal enum Hunt
{
    /// <summary>All short sequences in a small world.</summary>
    SmallWorld,

    /// <summary>Random worlds from a fixed seed on.</summary>
    Worlds,

    /// <summary>Random worlds of several machines and one repository.</summary>
    Backups,
}
