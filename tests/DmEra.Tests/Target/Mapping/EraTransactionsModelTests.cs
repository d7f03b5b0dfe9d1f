using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Target.History;

namespace DmEra.Tests.Target.Mapping;

/// <summary>
/// Random sequences of everything that a target does, against a dictionary of which block was last written in which era.
/// After every operation the image is decoded by code that shares nothing with the code under test: every
/// checksum, every structure, every reference count.
/// </summary>
public class EraTransactionsModelTests
{
    private const long LargestMetadata = 8 << 20;

    public static TheoryData<int> ManySeeds => Seeds.For(30);

    [Theory, MemberData(nameof(ManySeeds))]
    public void Metadata_knows_what_a_dictionary_knows(int seed)
    {
        Run run = new(seed);
        for (int i = 0; i < 80; i++) run.Step();
        run.Finish();
    }

    private sealed class Run
    {
        private readonly Random _random;
        private readonly int _largest;
        private readonly int _seed;
        private TestTransactions _eras;
        private uint[] _written;        // the era of each block's last write
        private uint[]? _snapshot;
        private uint _era;

        public Run(int seed)
        {
            _seed = seed;
            _random = new Random(seed);

            // Of the largest the writesets have full blocks, too, that are one from the beginning.
            _largest = _random.Next(4) switch { 0 => 64, 1 => 5000, 2 => 40_000, _ => 110_000 };
            int metadataBlocks = _random.Next(10) switch { < 5 => 50 + (_largest / 500), < 9 => 400, _ => 17_000 };
            ProbeDevice device = new(metadataBlocks * 4096) { Capacity = _random.Next(2) == 0 ? LargestMetadata : 0 };
            _eras = new TestTransactions(device);
            _written = new uint[AnySize()];
            Resume();
        }

        public void Step()
        {
            int choice = _random.Next(100);
            uint[] before = [.. _written];
            ProbeDevice device = _eras.Device;
            byte[]? cut = null;
            device.Before = _ =>
            {
                if (device.Length <= LargestMetadata && _random.Next(20) == 0) cut = device.AfterPowerCut(_random);
            };
            try
            {
                if (choice < 45) Mark();
                else if (choice < 60) RollOver();
                else if (choice < 78) Digest();
                else if (choice < 82) TakeSnapshot();
                else if (choice < 86) DropSnapshot();
                else if (choice < 91) Suspend();
                else if (choice < 95) Crash();
                else Resize();
            }
            catch (MetadataFullException)
            {
                // Refused as a whole.
            }
            catch (DeviceException fault) when (fault.Errno == Errno.ENOSPC)
            {
                // The same, as a writer sees it.
            }

            device.Before = null;
            if (cut != null) AssertOldOrNew(EraAudit.Read(cut).LastWritten(), before);

            // Images of two bitmaps take their time.
            if (_eras.Device.Length <= LargestMetadata || _random.Next(8) == 0) Check();
        }

        public void Finish()
        {
            DropSnapshot();
            Suspend();
            _eras.DigestAll();
            Check();
            if (_seed % 10 == 0) CheckWithEraCheck();
        }

        private void Mark()
        {
            BlockRange[] ranges = [.. Enumerable.Range(0, _random.Next(1, 5)).Select(_ => AnyRange())];
            _eras.Mark(ranges);
            foreach (BlockRange range in ranges) _written.AsSpan((int)range.Begin, (int)range.Count).Fill(_era);
        }

        private void RollOver()
        {
            uint era = _eras.Eras.RollOver().Era;
            Assert.Equal(_era + 1, era);
            _era = era;
        }

        private void Digest()
        {
            for (int steps = _random.Next(10); steps >= 0; steps--) _eras.Eras.DigestStep();
        }

        private void TakeSnapshot()
        {
            if (_snapshot != null) return;
            uint[] live = _eras.Audit().LastWritten();
            RollOver();
            _eras.Eras.TakeSnapshot();
            _snapshot = live;
        }

        private void DropSnapshot()
        {
            if (_snapshot == null) return;
            _eras.Eras.DropSnapshot();
            _snapshot = null;
        }

        private void Suspend()
        {
            _eras.Eras.Archive();
            Resume();
        }

        /// <summary>Opens what is on the device, or what a power cut would leave of it.</summary>
        private void Crash()
        {
            byte[] left = _random.Next(2) == 0 ? _eras.Device.ToArray() : _eras.Device.AfterPowerCut(_random);
            ProbeDevice device = new(left) { Capacity = _eras.Device.Capacity };
            _eras = new TestTransactions(device, _random.Next(32, 200));
            Resume();
        }

        private void Resize()
        {
            uint[] written = _written;
            _written = new uint[AnySize()];
            written.AsSpan(0, Math.Min(written.Length, _written.Length)).CopyTo(_written);
            _eras.Eras.Archive();
            try
            {
                Begin();
                if (written.Length < _written.Length) _written.AsSpan(written.Length).Fill(_era);
            }
            catch (MetadataFullException)
            {
                _written = written;
                Resume();
            }
        }

        private void Resume()
        {
            try { Begin(); }
            catch (MetadataFullException)
            {
                // What a user can do about it.
                DropSnapshot();
                _eras.Device.Capacity = LargestMetadata;
                Begin();
            }
        }

        private void Begin()
        {
            uint era = _eras.Eras.Resume((uint)_written.Length).Era;
            Assert.Equal(_era + 1, era);
            _era = era;
        }

        private void Check()
        {
            EraAudit audit = _eras.Audit();
            Assert.Null(_eras.Eras.Failure);
            Assert.Equal((_era, (uint)_written.Length), (audit.CurrentEra, audit.NrBlocks));
            Assert.Equal((ulong)audit.UsedBlocks, _eras.Eras.Usage.UsedBlocks);
            audit.AssertLastWritten(_written);
            Assert.Equal(_snapshot == null, audit.Snapshot == null);
            if (_snapshot != null) audit.Snapshot!.AssertLastWritten(_snapshot);
        }

        // What a power cut in the midst of a step would leave.
        private void AssertOldOrNew(uint[] left, uint[] before)
        {
            if (!left.AsSpan().SequenceEqual(before) && !left.AsSpan().SequenceEqual(_written))
                Assert.Fail("a power cut would leave neither the old state nor the new one");
        }

        private void CheckWithEraCheck()
        {
            using TempFolder folder = new();
            File.WriteAllBytes(folder["meta"], _eras.Device.ToArray());
            Oracle.Run("era_check", folder["meta"]).AssertSuccess();
        }

        private int AnySize() => _random.Next(3) switch
        {
            0 => Math.Max(_largest - (_largest % 1018), 1),
            1 => Math.Max(_largest / 2, 1),
            _ => _random.Next(1, _largest + 1),
        };

        private BlockRange AnyRange()
        {
            uint begin = (uint)_random.Next(_written.Length);
            uint most = (uint)_written.Length - begin;
            uint count = _random.Next(4) == 0 ? (uint)_random.NextInt64(1, most + 1) : Math.Min(most, (uint)_random.Next(1, 4));
            return new BlockRange(begin, begin + count);
        }
    }
}
