#!/usr/bin/env bash
# Backups beside what others take for the same disk. Prints medians and ratios as a Markdown table.
#
#   bench/backup.sh full [ROUNDS]           the first image: era, qemu-img convert -c, restic
#   bench/backup.sh verify [ROUNDS]         a repository that is not in the page cache: era, cat reading its files, restic
#   bench/backup.sh incremental [ROUNDS]    scattered changes: era, fio reading just those blocks, restic
#
#   SIZE      of the disk, 16G; it is sparse
#   CONTENT   a folder whose files are on it, in an ext4 file system: /usr/share
#   CACHE     warm (the default), or cold: the disk is not in the page cache
#   CHANGED   64 KiB blocks that are written between two images: 1 % of the disk
#   RESTIC    no: leave it out of the incremental part, where it reads all of the disk
#
# restic and fio are Debian's; the repositories are folders beside the disk.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
part=${1:?full, verify or incremental}
rounds=${2:-3}
size=${SIZE:-16G}
content=${CONTENT:-/usr/share}
export PATH=$PATH:/usr/sbin RESTIC_PASSWORD=none
folder=$(mktemp -d "${TMPDIR:-/var/tmp}/era-bench.XXXXXX")
export ERA_RUNTIME_DIR=$folder/run RESTIC_CACHE_DIR=$folder/cache
served=
trap '[[ -z $served ]] || kill "$served"; wait; rm -rf "$folder"' EXIT
disk=$folder/disk

serve() {
    rm -f "$folder/ready"    # that of the one before
    ./era serve "$disk" >"$folder/ready" & served=$!
    until grep -qs ready "$folder/ready"; do sleep 0.1; done
}

stop() {
    ./era stop disk
    wait "$served"
    served=
}

# Out of the page cache.
forget() { find "$@" -type f -exec dd if={} iflag=nocache count=0 status=none ';'; }

# Seconds and the largest resident set, in MiB.
timed() { # NAME COMMAND...
    local name=$1
    shift
    sync
    if [[ ${CACHE:-warm} == cold ]]; then
        forget "$disk"
    else
        qemu-img map "$disk" >/dev/null
        cp --sparse=always "$disk" /dev/null
    fi
    python3 -c '
import resource, subprocess, sys, time
begun = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(f"{time.monotonic() - begun:.3f} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024}")
' "$@" >>"$folder/times.$name"
}

median() { # NAME COLUMN
    cut -d' ' -f"$2" "$folder/times.$1" | sort -n | awk '{ line[NR] = $0 } END { print line[int((NR + 1) / 2)] }'
}

row() { # NAME WHAT BYTES
    awk "BEGIN { printf \"| %s | %.2f | %.2f | %d | %s |\n\", \"$2\", $(median "$1" 1), $(median "$1" 1) / $(median era 1), $(median "$1" 2), \"$3\" }"
}

mebibytes() { echo "$(($(du -sk "$1" | cut -f1) / 1024)) MiB"; }

./era --version >/dev/null    # builds it
truncate -s "$size" "$disk"
mkfs.ext4 -q -F -d "$content" "$disk" 2>/dev/null
serve
stop
data=$(du -sm "$disk" | cut -f1)

case $part in
    full)
        for _ in $(seq "$rounds"); do
            rm -rf "$folder"/{repository,restic,cache,qcow2}
            timed era ./era backup "$disk" --to "$folder/repository"
            timed qemu-img qemu-img convert -c -f raw -O qcow2 -W -m 16 "$disk" "$folder/qcow2"
            restic init -q --repo "$folder/restic" >/dev/null
            timed restic restic backup -q --repo "$folder/restic" "$disk"
        done
        echo "A disk of $size with $data MiB of data ($content), page cache ${CACHE:-warm}, medians of $rounds:"
        echo
        echo "| first image | seconds | : era | memory, MiB | size |"
        echo "|---|---:|---:|---:|---:|"
        row era "era backup" "$(mebibytes "$folder/repository")"
        row qemu-img "qemu-img convert -c" "$(mebibytes "$folder/qcow2")"
        row restic "restic backup" "$(mebibytes "$folder/restic")"
        ;;
    verify)
        ./era backup "$disk" --to "$folder/repository" >/dev/null
        restic init -q --repo "$folder/restic" >/dev/null
        restic backup -q --repo "$folder/restic" "$disk"
        sync
        for _ in $(seq "$rounds"); do
            forget "$folder/repository"
            timed cat find "$folder/repository" -type f -exec cat {} +
            forget "$folder/repository"
            timed era ./era verify "$folder/repository"
            forget "$folder/repository"
            timed content ./era verify --content "$folder/repository"
            forget "$folder/restic"
            timed restic restic check -q --no-cache --read-data --repo "$folder/restic"
        done
        echo "A first image of $data MiB of data ($content), not in the page cache, medians of $rounds:"
        echo
        echo "| | seconds | : era | memory, MiB | size |"
        echo "|---|---:|---:|---:|---:|"
        row era "era verify" "$(mebibytes "$folder/repository")"
        row cat "cat, reading the files" ""
        row content "era verify --content" ""
        row restic "restic check --read-data" "$(mebibytes "$folder/restic")"
        ;;
    incremental)
        ./era backup "$disk" --to "$folder/repository" >/dev/null
        if [[ ${RESTIC:-} != no ]]; then
            restic init -q --repo "$folder/restic" >/dev/null
            restic backup -q --repo "$folder/restic" "$disk"
        fi
        blocks=${CHANGED:-$(($(numfmt --from=iec "$size") / 65536 / 100))}
        for round in $(seq "$rounds"); do
            serve
            era=$(./era checkpoint disk)
            fio --name=changes --ioengine=nbd --uri="$(head -1 "$folder/ready")" --rw=randwrite --bs=64k --iodepth=16 \
                --number_ios="$blocks" --randseed="$round" --refill_buffers --buffer_compress_percentage=50 >/dev/null
            stop
            {
                echo "fio version 2 iolog"
                echo "$disk add"
                echo "$disk open"
                ./era invalidate --written-since "$era" --format ranges "$disk.era" |
                    awk -v disk="$disk" '{ for (b = $1; b < $2; b++) printf "%s read %.0f 65536\n", disk, b * 65536 }'
                echo "$disk close"
            } >"$folder/iolog"
            timed fio fio --name=blocks --ioengine=psync --read_iolog="$folder/iolog"
            timed era ./era backup "$disk" --to "$folder/repository"
        done
        # Once, as that takes long.
        [[ ${RESTIC:-} == no ]] || timed restic restic backup -q --repo "$folder/restic" "$disk"
        echo "$blocks blocks of 64 KiB written all over a disk of $size with $data MiB of data, page cache ${CACHE:-warm}, medians of $rounds:"
        echo
        echo "| next image | seconds | : era | memory, MiB | |"
        echo "|---|---:|---:|---:|---|"
        row era "era backup" ""
        row fio "fio, reading the blocks" ""
        [[ ${RESTIC:-} == no ]] || row restic "restic backup" ""
        ;;
    *)
        echo "full, verify or incremental" >&2
        exit 2
        ;;
esac
