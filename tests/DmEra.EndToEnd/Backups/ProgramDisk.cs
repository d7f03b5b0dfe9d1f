using DmEra.EndToEnd.Processes;
using DmEra.EndToEnd.Vm;
using DmEra.Tests;

namespace DmEra.EndToEnd.Backups;

/// <summary>A disk with the program and its runtime on it, so that a guest can run <c>era</c> as its root.</summary>
internal static class ProgramDisk
{
    private const string Name = "program";

    /// <summary>Makes the disk.</summary>
    public static GuestDisk Create(TempFolder folder)
    {
        string image = folder[Name];
        Oracle.Run(TimeSpan.FromMinutes(2), "bash", "-ec",
            $$"""
            export PATH=$PATH:/usr/sbin
            cd {{folder.Path}}
            mkdir -p tree/dotnet/shared tree/era tree/lib
            dotnet=$(dirname "$(realpath "$(command -v dotnet)")")
            cp -r "$dotnet/host" tree/dotnet
            cp -r "$dotnet/shared/Microsoft.NETCore.App" "$dotnet/shared/Microsoft.AspNetCore.App" tree/dotnet/shared
            cp "{{Path.GetDirectoryName(EraServer.Program)}}"/{era,era.*,DmEra.*.dll,System.CommandLine.dll,Spectre.Console.dll,Tomlyn.dll,AWSSDK.*} tree/era
            for file in tree/era/era tree/dotnet/shared/Microsoft.NETCore.App/*/*.so; do ldd "$file"; done |
                grep -o ' /[^ ]*' | sort -u | xargs cp -Lt tree/lib
            for name in libssl libcrypto; do cp -L /usr/lib/*/$name.so.3 tree/lib; done
            truncate -s 400M {{Name}}
            mkfs.ext4 -q -O ^has_journal -d tree {{Name}}
            rm -r tree
            """).AssertSuccess();
        return GuestDisk.File(Name, image);
    }

    /// <summary>What a guest's script begins with to have <c>era</c> in its path.</summary>
    public const string Setup =
        """
        [ -e /opt/era/era ] || { mkdir -p /opt && mount -t ext4 -o ro /dev/disk/program /opt; }
        export DOTNET_ROOT=/opt/dotnet LD_LIBRARY_PATH=/opt/lib PATH=/opt/era:$PATH DOTNET_TieredPGO=0

        """;
}
