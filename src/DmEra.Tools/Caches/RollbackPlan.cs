namespace DmEra.Tools.Caches;

/// <summary>How the eras of the device below a cache are reached.</summary>
/// <param name="Metadata">Path of the metadata.</param>
/// <param name="Message">The command that sends the device a message, but for the message.</param>
public sealed record EraAccess(string Metadata, string Message);

/// <summary>A script that rolls a device below a cache back and has the cache forget just what is no longer true (docs/rollback.md).</summary>
/// <param name="Title">What it rolls back to, for people.</param>
/// <param name="Era">The era that began then.</param>
/// <param name="Device">The device below the cache.</param>
/// <param name="Cache">The name of the cache.</param>
/// <param name="Table">The table of the cache.</param>
/// <param name="CacheMetadata">The path of its metadata.</param>
/// <param name="Rollback">The command that rolls the origin back; null: the script waits until somebody has done so.</param>
public sealed record RollbackPlan(
    string Title, uint Era, EraAccess Device, string Cache, CacheTable Table, string CacheMetadata, string? Rollback)
{
    /// <summary>The script.</summary>
    public string Script()
    {
        string cache = Quote(Cache);
        string table = Quote(Table.ToString());
        string cleaner = Quote(Table.BeingCleaned().ToString());
        string passthrough = Quote(Table.InPassthrough().ToString());
        return $$"""
            #!/bin/sh
            # Rolls back what is below the cache {{OneLine(Cache)}} to {{OneLine(Title)}}, era {{Era}}. Run it as root.
            # Every step is checked. After a failure the cache is in one of the states below, none of which shows anything
            # that is not so; put right what failed, and run it again from the start.
            set -eu
            fail() { echo "rollback: $*" >&2; exit 1; }
            dirty() { set -- $(dmsetup status {{cache}}); echo "${14}"; }
            list=$(mktemp)
            trap 'rm -f "$list"' EXIT

            case $(dmsetup table {{cache}}) in
                {{table}} | {{cleaner}} | {{passthrough}}) ;;
                *) fail "the cache has another table than when this plan was made" ;;
            esac

            # 1. Have the cache write back what is dirty: no era knows of that.
            if [ "$(dirty)" != 0 ]; then
                dmsetup suspend {{cache}}
                dmsetup load {{cache}} --table {{cleaner}} || { dmsetup resume {{cache}}; fail "no policy cleaner"; }
                dmsetup resume {{cache}}
                until [ "$(dirty)" = 0 ]; do sleep 1; done
            fi

            # 2. Passthrough: reads go to the origin. Refused unless everything is clean.
            dmsetup suspend {{cache}}
            dmsetup load {{cache}} --table {{passthrough}} || { dmsetup resume {{cache}}; fail "no passthrough"; }
            dmsetup resume {{cache}}

            # 3. Roll the origin back.
            {{Rollback ?? "echo 'Roll the origin back now, then press Enter.'; read -r done"}}

            # 4. Pin what is known of the past, and list what the cache must forget. Suspended, it has all its metadata on disk.
            {{Device.Message}} take_metadata_snap
            dmsetup suspend {{cache}}
            listed=yes
            era invalidate --metadata-snapshot --written-since {{Era}} --cache {{Quote(CacheMetadata)}} {{Quote(Device.Metadata)}} > "$list" || listed=no
            dmsetup resume {{cache}}
            {{Device.Message}} drop_metadata_snap
            [ $listed = yes ] || fail "the list of what was written since is not there; the cache stays in passthrough"

            # 5. Have it forget that.
            while read -r message; do dmsetup message {{cache}} 0 $message; done < "$list"

            # 6. Back to work.
            dmsetup suspend {{cache}}
            dmsetup load {{cache}} --table {{table}} || { dmsetup resume {{cache}}; fail "the cache stays in passthrough"; }
            dmsetup resume {{cache}}
            echo "rolled back; still cached: $(set -- $(dmsetup status {{cache}}); echo "${7%/*}") blocks"

            """;
    }

    /// <summary>A word that a shell takes as it is.</summary>
    public static string Quote(string word) => $"'{word.Replace("'", @"'\''", StringComparison.Ordinal)}'";

    private static string OneLine(string text) => text.ReplaceLineEndings(" ");
}
