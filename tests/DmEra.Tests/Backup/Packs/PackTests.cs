using DmEra.Backup.Packs;
using DmEra.Backup.Stores;
using DmEra.Backup.Upkeep;
using DmEra.Devices.Threads;

namespace DmEra.Tests.Backup.Packs;

public sealed class PackTests
{
    public static TheoryData<bool> Encrypted => [false, true];

    [Theory, MemberData(nameof(Encrypted))]
    public void What_was_written_is_read(bool encrypted)
    {
        using RepositoryKey? key = Key(encrypted);
        byte[][] contents = [Text(512), new byte[4096], Noise(8192)];
        MemoryStore store = new();
        PackName name = Write(store, key, contents);

        PackReader reader = new(store, key);

        for (int i = 0; i < contents.Length; i++) Assert.Equal(contents[i], reader.ReadRecord(name, i));
        Assert.Equal(store.Content[name.ToString()].Length, reader.Open(name).ObjectLength);
    }

    [Theory, MemberData(nameof(Encrypted))]
    public void No_bit_flips_unseen(bool encrypted)
    {
        using RepositoryKey? key = Key(encrypted);
        byte[][] contents = [Text(1024), Noise(512)];
        MemoryStore store = new();
        string name = Write(store, key, contents).ToString();
        byte[] sound = store.Content[name];

        for (int bit = 0; bit < sound.Length * 8; bit++)
        {
            byte[] flipped = [.. sound];
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            store.Put(name, flipped);
            Assert.True(Check(store, key, name) is not null, $"bit {bit % 8} of byte {bit / 8}");
        }
    }

    [Theory, MemberData(nameof(Encrypted))]
    public void What_was_stored_wrongly_in_the_first_place_is_found_with_its_content(bool encrypted)
    {
        using RepositoryKey? key = Key(encrypted);
        MemoryStore store = new();
        PackName name = Write(store, key, [Text(1024), Noise(512)], ContentHash.Of(Text(1024)));

        Assert.Null(Check(store, key, name.ToString()));
        Assert.Equal([1], Check(store, key, name.ToString(), VerifyDepth.Content)!.Records!);
        Assert.Throws<ObjectDamagedException>(() => new PackReader(store, key).ReadRecord(name, 1));
    }

    [Theory, MemberData(nameof(Encrypted))]
    public void A_pack_cut_short_or_made_longer_is_found_out(bool encrypted)
    {
        using RepositoryKey? key = Key(encrypted);
        MemoryStore store = new();
        string name = Write(store, key, [Text(1024), Noise(512)]).ToString();
        byte[] sound = store.Content[name];

        for (int length = 0; length < sound.Length; length++)
        {
            store.Put(name, sound.AsMemory(0, length));
            Assert.True(Check(store, key, name) is not null, $"{length} bytes");
        }

        store.Put(name, sound.Append((byte)0).ToArray());
        Assert.NotNull(Check(store, key, name));
    }

    [Theory, MemberData(nameof(Encrypted))]
    public void A_pack_does_not_pass_for_another_one(bool encrypted)
    {
        using RepositoryKey? key = Key(encrypted);
        MemoryStore store = new();
        PackName one = Write(store, key, [Text(1024)]);
        PackName other = Write(store, key, [Noise(1024)]);

        store.Put(one.ToString(), store.Content[other.ToString()]);

        Assert.Throws<ObjectDamagedException>(() => new PackReader(store, key).Open(one));
    }

    [Fact]
    public void Records_of_an_encrypted_pack_cannot_change_places()
    {
        using RepositoryKey? key = Key(encrypted: true);
        byte[] first = Noise(512);
        byte[] second = Noise(512, seed: 2);
        MemoryStore store = new();
        string name = Write(store, key, [first, second]).ToString();
        byte[] pack = store.Content[name];
        int length = 512 + RecordCipher.Overhead;

        byte[] swapped = [.. pack[..^(2 * length)], .. pack[^length..], .. pack[^(2 * length)..^length]];
        store.Put(name, swapped);

        Assert.Equal(2, Check(store, key, name)!.Records!.Count);
    }

    [Fact]
    public void An_encrypted_pack_shows_nothing_of_its_content()
    {
        using RepositoryKey? key = Key(encrypted: true);
        byte[] secret = Noise(4096);
        MemoryStore store = new();

        string name = Write(store, key, [secret]).ToString();
        byte[] pack = store.Content[name];

        Assert.True(pack.AsSpan().IndexOf(secret.AsSpan(0, 16)) < 0);
        Assert.True(pack.AsSpan().IndexOf(System.Security.Cryptography.SHA256.HashData(secret).AsSpan(0, 8)) < 0);
    }

    [Fact]
    public void Packs_of_an_encrypted_repository_are_no_use_with_another_key()
    {
        using RepositoryKey? key = Key(encrypted: true);
        using RepositoryKey other = new(Noise(RepositoryKey.Size, seed: 77));
        MemoryStore store = new();
        PackName name = Write(store, key, [Text(512)]);

        Assert.Throws<ObjectDamagedException>(() => new PackReader(store, other).Open(name));
        Assert.Throws<ObjectDamagedException>(() => new PackReader(store, null).Open(name));
    }

    [Theory, MemberData(nameof(RandomBytes))]
    public void Random_bytes_are_damage_and_nothing_worse(int seed)
    {
        Random random = new(seed);
        MemoryStore store = new();
        PackName name = Write(store, null, [Text(1024), Noise(512)]);
        byte[] bytes = store.Content[name.ToString()];
        for (int i = random.Next(1, 20); i > 0; i--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
        // Named after what is in it: past the first check.
        int front = PackDirectory.FrontLength(bytes);
        PackName lying = name with { Directory = ContentHash.Of(bytes.AsSpan(0, Math.Min(front, bytes.Length))) };
        store.Put(lying.ToString(), bytes);

        _ = Check(store, null, lying.ToString());
        _ = Check(store, null, lying.ToString(), VerifyDepth.Content);
    }

    public static TheoryData<int> RandomBytes => Seeds.For(200);

    private static PackFault? Check(
        MemoryStore store, RepositoryKey? key, string name, VerifyDepth depth = VerifyDepth.Stored) =>
        new PackCheck(store, key, depth).Find(new StoredObject(name, store.Content[name].Length, default));

    private static PackName Write(MemoryStore store, RepositoryKey? key, byte[][] contents, ContentHash? hash = null)
    {
        using PackUploader uploader = new(store, fillers: 1, SystemThreads.Instance);
        PackWriter writer = new(PackKind.Content, image: 7, new PackNumbers(3), key, uploader);
        long sector = 100;
        PackReference? pack = null;
        foreach (byte[] content in contents)
        {
            byte[] room = new byte[ContentCodec.LongestEncoding(content.Length)];
            RecordEncoding encoding = ContentCodec.Encode(content, room, out int length);
            RecordRow row = new()
            {
                FirstSector = (ulong)sector,
                PlainLength = (uint)content.Length,
                Encoding = (uint)encoding,
                Content = hash ?? ContentHash.Of(content),
            };
            pack = writer.Append(row, encoding == RecordEncoding.Raw ? content : room.AsSpan(0, length), out _);
            sector += 1000;
        }

        writer.Close();
        uploader.Drain();
        return pack!.Name;
    }

    private static RepositoryKey? Key(bool encrypted) =>
        encrypted ? new RepositoryKey(Noise(RepositoryKey.Size, seed: 99)) : null;

    private static byte[] Noise(int length, int seed = 1)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static byte[] Text(int length) =>
        [.. Enumerable.Range(0, length).Select(i => (byte)"the quick brown fox jumps over the lazy dog "[i % 44])];
}
