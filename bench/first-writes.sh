#!/usr/bin/env bash
# What it costs to record a write: sequential writes of 64 KiB to blocks that are not marked in this era, and again to the
# same blocks once they are, beside qemu-nbd with a persistent bitmap (which it keeps in memory until it ends). Images and
# metadata lie on the same disk. Prints medians of requests a second, and of latencies in microseconds, as a Markdown
# table; then what 100 clients cost in memory.
#
#   bench/first-writes.sh [ROUNDS]        default: 5 rounds of 1 GiB each
#
#   SIZE      of the images, 1G
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

rounds=${1:-5}
size=${SIZE:-1G}
servers=(era era-ahead qemu-bitmap)

folder=$(mktemp -d "${TMPDIR:-/var/tmp}/era-bench.XXXXXX")
declare -A pids
# Only what was started here is ended.
trap 'kill "${pids[@]}" 2>/dev/null; wait; rm -rf "$folder"' EXIT

uri() { echo "nbd+unix:///?socket=$folder/$1.sock"; }

start() { # NAME
    local image=$folder/$1.img ahead=0
    case $1 in
        era*)
            [[ $1 == era ]] || ahead=256
            ./era serve "$image" --size "$size" --mark-ahead $ahead \
                --listen "unix:$folder/$1.sock" --control "$folder/$1.ctl" >/dev/null & ;;
        qemu-bitmap)
            qemu-img create -q -f qcow2 "$image" "$size"
            qemu-img bitmap --add --enable -g 64k "$image" tracked
            qemu-nbd -t -f qcow2 --cache=writeback -e 8 -k "$folder/$1.sock" "$image" & ;;
    esac
    pids[$1]=$!
    for _ in $(seq 300); do [[ -S $folder/$1.sock ]] && break; sleep 0.1; done
    write "$1" 32 >/dev/null    # allocates the image
}

write() { # NAME DEPTH: requests a second, median and 99th percentile
    fio --name=bench --ioengine=nbd --uri="$(uri "$1")" --rw=write --bs=64k --iodepth="$2" --output-format=json |
        sed '/^fio:/d' | jq -r '.jobs[0].write | [.iops, .clat_ns.percentile["50.000000"] / 1000, .clat_ns.percentile["99.000000"] / 1000] | map(floor) | @tsv'
}

median() { cut -f"$2" "$1" | sort -n | sed -n "$(((rounds + 1) / 2))p"; }

./era --version >/dev/null    # builds it
for server in "${servers[@]}"; do start "$server"; done

echo "| 64 KiB sequential writes | server | a second | p50 µs | p99 µs |"
echo "|---|---|---:|---:|---:|"
for depth in 1 32; do
    for _ in $(seq "$rounds"); do
        for server in "${servers[@]}"; do
            [[ $server != era* ]] || ./era checkpoint "$folder/$server.ctl" >/dev/null
            write "$server" "$depth" >>"$folder/first.$depth.$server"
            write "$server" "$depth" >>"$folder/repeated.$depth.$server"
        done
    done
    for kind in first repeated; do
        for server in "${servers[@]}"; do
            file=$folder/$kind.$depth.$server
            echo "| $kind, depth $depth | $server | $(median "$file" 1) | $(median "$file" 2) | $(median "$file" 3) |"
        done
    done
done

memory() { awk '/VmRSS/ { print int($2 / 1024) }' "/proc/${pids[era]}/status"; }
before=$(memory)
/usr/bin/python3 - "$(uri era)" <<'END' &
import nbd, sys, time
clients = []
for _ in range(99):
    client = nbd.NBD()
    client.connect_uri(sys.argv[1])
    for i in range(100): client.pread(65536, i * 65536)
    clients.append(client)
print(flush=True)
time.sleep(60)
END
python=$!
pids[python]=$python
for _ in $(seq 600); do (($(curl -s --unix-socket "$folder/era.ctl" http://era/v1/device | jq .connections) >= 99)) && break; sleep 0.1; done
sleep 1
echo
echo "Memory with no client: $before MiB; with 99 that have read: $(memory) MiB."
