using System.Runtime.InteropServices;
using DmEra.Devices.Binary;

namespace DmEra.PersistentData.Arrays;

/// <summary>First 24 bytes of every array block (kernel: <c>struct array_block</c> in dm-array.c). Its fields are
/// ordered otherwise than a node's: no flags, the address last.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct ArrayBlockHeader
{
    public Le32 Checksum;
    public Le32 MaxEntries;
    public Le32 NrEntries;
    public Le32 ValueSize;
    public Le64 BlockNumber;
}
