#!/usr/bin/env bash
# What it costs to record a write: sequential writes to blocks that are not marked in this era, and again to the same
# blocks once they are. Images and metadata lie on the same disk; each round takes the servers in alternation. Prints
# medians of requests a second, and of latencies in microseconds, as a Markdown table, and the ratio to our own server without tracking;
# then what 100 clients cost in memory.
#
#   bench/first-writes.sh [ROUNDS]        default: 5 rounds of the whole image each
#
#   SERVERS   era (as it is), off (without marks ahead), file (ours without tracking), qemu-bitmap (qcow2 with a persistent
#             bitmap, which qemu-nbd keeps in memory until it ends)
#   SIZE      of the images, 1G
#   REQUEST   bytes of a request, 64k
#   BLOCK     bytes of a block of the record, 64K
#   DEPTHS    requests under way at once, "1 32"
#   WRITERS   clients at once, each with a part of the image, 1
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

rounds=${1:-5}
size=${SIZE:-1G}
request=${REQUEST:-64k}
block=${BLOCK:-64K}
writers=${WRITERS:-1}
read -ra servers <<<"${SERVERS:-era off file qemu-bitmap}"
read -ra depths <<<"${DEPTHS:-1 32}"

folder=$(mktemp -d "${TMPDIR:-/var/tmp}/era-bench.XXXXXX")
declare -A pids
# Only what was started here is ended.
trap 'kill "${pids[@]}" 2>/dev/null; wait; rm -rf "$folder"' EXIT

uri() { echo "nbd+unix:///?socket=$folder/$1.sock"; }

start() { # NAME
    local image=$folder/$1.img options=()
    case $1 in
        era | off)
            [[ $1 == era ]] || options=(--mark-ahead off)
            ./era serve "$image" --size "$size" --block-size "$block" "${options[@]}" \
                --listen "unix:$folder/$1.sock" --control "$folder/$1.ctl" >/dev/null & ;;
        file)
            truncate -s "$size" "$image"
            mkfifo "$folder/stop"
            dotnet artifacts/bin/DmEra.Benchmarks/release/DmEra.Benchmarks.dll \
                serve-file "$image" "$folder/$1.sock" <>"$folder/stop" >/dev/null & ;;
        qemu-bitmap)
            qemu-img create -q -f qcow2 "$image" "$size"
            qemu-img bitmap --add --enable -g "$block" "$image" tracked
            qemu-nbd -t -e 8 -f qcow2 --cache=writeback -k "$folder/$1.sock" "$image" & ;;
    esac
    pids[$1]=$!
    for _ in $(seq 300); do [[ -S $folder/$1.sock ]] && break; sleep 0.1; done
    write "$1" 32 >/dev/null    # allocates the image
}

write() { # NAME DEPTH: requests a second, median and 99th percentile
    local part=$(($(numfmt --from=iec "$size") / writers))
    fio --name=bench --ioengine=nbd --uri="$(uri "$1")" --rw=write --bs="$request" --iodepth="$2" \
        --thread --numjobs="$writers" --size="$part" --offset_increment="$part" --group_reporting --output-format=json |
        sed '/^fio:/d' | jq -r '.jobs[0].write | [.iops, .clat_ns.percentile["50.000000"] / 1000, .clat_ns.percentile["99.000000"] / 1000] | map(floor) | @tsv'
}

median() { cut -f"$2" "$1" | sort -n | sed -n "$(((rounds + 1) / 2))p"; }

./era --version >/dev/null    # builds it
dotnet build -c Release bench/DmEra.Benchmarks >/dev/null
for server in "${servers[@]}"; do start "$server"; done

echo "| sequential writes of $request, blocks of $block | server | a second | p50 µs | p99 µs | : file |"
echo "|---|---|---:|---:|---:|---:|"
for depth in "${depths[@]}"; do
    for _ in $(seq "$rounds"); do
        for server in "${servers[@]}"; do
            [[ ! -S $folder/$server.ctl ]] || ./era checkpoint "$folder/$server.ctl" >/dev/null
            write "$server" "$depth" >>"$folder/first.$depth.$server"
            write "$server" "$depth" >>"$folder/repeated.$depth.$server"
        done
    done
    for kind in first repeated; do
        for server in "${servers[@]}"; do
            file=$folder/$kind.$depth.$server
            peer=$folder/$kind.$depth.file ratio=
            [[ ! -e $peer ]] || ratio=$(awk "BEGIN { printf \"%.2f\", $(median "$file" 1) / $(median "$peer" 1) }")
            echo "| $kind, depth $depth | $server | $(median "$file" 1) | $(median "$file" 2) | $(median "$file" 3) | $ratio |"
        done
    done
done
[[ -S $folder/era.ctl ]] || exit 0

memory() { awk '/VmRSS/ { print int($2 / 1024) }' "/proc/${pids[era]}/status"; }
before=$(memory)
/usr/bin/python3 - "$(uri era)" <<'PYTHON' &
import nbd, sys, time
clients = []
for _ in range(99):
    client = nbd.NBD()
    client.connect_uri(sys.argv[1])
    for i in range(100): client.pread(65536, i * 65536)
    clients.append(client)
print(flush=True)
time.sleep(60)
PYTHON
python=$!
pids[python]=$python
for _ in $(seq 600); do (($(curl -s --unix-socket "$folder/era.ctl" http://era/v1/device | jq .connections) >= 99)) && break; sleep 0.1; done
sleep 1
echo
echo "Memory with no client: $before MiB; with 99 that have read: $(memory) MiB."
