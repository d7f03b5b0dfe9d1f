using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd.Fuzzing;

/// <summary>What well-behaved clients say to the export "disk", and how to make nonsense of it.</summary>
internal static class Mutation
{
    /// <summary>The context that the export has.</summary>
    public const string Context = "x-test:blocks";

    /// <summary>Every option, and the beginning of transmission.</summary>
    public static readonly byte[] Handshake =
    [
        .. U32(3), .. Option(OptList), .. Option(OptStructuredReply), .. Option(OptExtendedHeaders),
        .. Option(OptListMetaContext, Queries("disk", "base:", Context)),
        .. Option(OptSetMetaContext, Queries("disk", Context)),
        .. Option(OptInfo, ExportAndRequests("disk", 1, 2, 3)), .. Option(77, 1, 2, 3),
        .. Option(OptGo, ExportAndRequests("disk", 3)),
    ];

    /// <summary>Every command, with compact headers.</summary>
    public static readonly byte[] Requests =
    [
        .. Request(CmdRead, 1, 0, 4096), .. Request(CmdWrite, 2, 512, 700, 0, new byte[700]),
        .. Request(CmdBlockStatus, 3, 0, 100_000), .. Request(CmdFlush, 4, 0, 0),
        .. Request(CmdWriteZeroes, 5, 4096, 8192, FlagNoHole), .. Request(CmdTrim, 6, 0, 1000, FlagFua),
        .. Request(CmdCache, 7, 0, 512), .. Request(CmdRead, 8, 70_000, 300_000), .. Request(CmdDisc, 9, 0, 0),
    ];

    /// <summary>The same with extended headers.</summary>
    public static readonly byte[] ExtendedRequests =
    [
        .. ExtendedRequest(CmdRead, 1, 0, 4096),
        .. ExtendedRequest(CmdWrite, 2, 512, 700, FlagPayloadLen, new byte[700]),
        .. ExtendedRequest(CmdBlockStatus, 3, 0, 100_000),
        .. ExtendedRequest(CmdBlockStatus, 3, 0, 12, FlagPayloadLen, [.. U64(100_000), .. U32(1)]),
        .. ExtendedRequest(CmdTrim, 6, 0, 1000, FlagFua), .. ExtendedRequest(CmdDisc, 9, 0, 0),
    ];

    /// <summary>Changes, cuts, doubles and leaves out a few pieces.</summary>
    public static byte[] Of(byte[] script, Random random)
    {
        byte[] mutated = [.. script];
        for (int changes = random.Next(1, 6); changes > 0; changes--)
        {
            int at = random.Next(mutated.Length);
            switch (random.Next(5))
            {
                case 0:
                    mutated = mutated[..(at + 1)];
                    break;
                case 1:
                    mutated[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    mutated[at] = random.Next(2) == 0 ? byte.MaxValue : byte.MinValue;
                    break;
                case 3:
                    mutated = [.. mutated[..at], .. mutated[at..Math.Min(at + random.Next(64), mutated.Length)], .. mutated[at..]];
                    break;
                default:
                    mutated = [.. mutated[..at], .. mutated[Math.Min(at + random.Next(64), mutated.Length - 1)..]];
                    break;
            }
        }

        return mutated;
    }
}
