using System.Collections.Concurrent;
using DmEra.Fuzz.Content;
using DmEra.Tests;

namespace DmEra.EndToEnd.Kernel;

/// <summary>What was written to an era device in which era: the model that both implementations are held
/// against.</summary>
internal sealed class WriteLog
{
    private readonly ConcurrentDictionary<uint, uint> _lastWritten;

    /// <summary>Starts with a device that does not exist yet.</summary>
    public WriteLog() => _lastWritten = [];

    /// <summary>Copies another log, which may be written to meanwhile.</summary>
    public WriteLog(WriteLog other)
    {
        Era = other.Era;
        BlockCount = other.BlockCount;
        _lastWritten = new(other._lastWritten);
    }

    /// <summary>The current era, or the last one when the device is at rest.</summary>
    public uint Era { get; private set; }

    /// <summary>Blocks of the device.</summary>
    public uint BlockCount { get; private set; }

    /// <summary>Notes that an era began, of a device of this many blocks.</summary>
    public void BeginEra(uint blockCount)
    {
        Era++;
        BlockCount = blockCount;
        foreach (uint block in _lastWritten.Keys.Where(block => block >= blockCount)) _lastWritten.TryRemove(block, out _);
    }

    /// <summary>Notes that a block has been written in the current era.</summary>
    public void Add(uint block) => _lastWritten[block] = Era;

    /// <summary>Goes on with another implementation's word for the current era, as after a crash.</summary>
    public void GoOnFrom(uint era, uint blockCount) => (Era, BlockCount) = (era, blockCount);

    /// <summary>The blocks that were written, with the era of the last time.</summary>
    public IEnumerable<(uint Block, uint Era)> Entries => _lastWritten.Select(entry => (entry.Key, entry.Value));

    /// <summary>The blocks written in an era or later, ascending.</summary>
    public IEnumerable<uint> WrittenSince(uint era) =>
        _lastWritten.Where(entry => entry.Value >= era).Select(entry => entry.Key).Order();

    /// <summary>Fails unless metadata at rest is sound by era_check and to the last reference, so that nothing is leaked, and names
    /// for every era exactly the blocks written since.</summary>
    public void AssertIsIn(string metadata)
    {
        Oracle.EraCheck(metadata);
        ContentReader.Read(metadata);
        for (uint era = 1; era <= Era + 1; era++)
        {
            // Version 0.9.0 lists bits of an old writeset behind the end of an origin that has shrunk.
            Assert.Equal(WrittenSince(era), Oracle.Blocks(Oracle.EraInvalidate(metadata, era)).Where(b => b < BlockCount));
        }
    }

    /// <summary>Fails unless metadata at rest is sound by era_check, and names for every era all the blocks that are
    /// known to have been written since; it may name some that were being written when the machine died.</summary>
    public void AssertIsCoveredBy(string metadata)
    {
        Oracle.EraCheck(metadata);
        for (uint era = 1; era <= Era; era++)
            Assert.Empty(WrittenSince(era).Except(Oracle.Blocks(Oracle.EraInvalidate(metadata, era))));
    }
}
