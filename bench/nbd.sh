#!/bin/bash
# The NBD server beside nbdkit's file plugin and qemu-nbd: fio over a Unix socket, each on its own page-cached file of
# the same random content, in alternation. Prints requests per second (medians) and ratios as a Markdown table.
#
#   bench/nbd.sh [ROUNDS [SECONDS]]        defaults: 5 rounds, 5 seconds each

set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5}
seconds=${2:-5}
size=${SIZE:-1G}
servers=(${SERVERS:-era nbdkit qemu-nbd})
jobs=(${JOBS:-randread:4k:32 randread:4k:1 randwrite:4k:32 randwrite:4k:1 randread:64k:32 randwrite:64k:32})

folder=$(mktemp -d "${TMPDIR:-/var/tmp}/era-bench.XXXXXX")
pids=()
# Only what was started here is ended.
trap 'kill "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$folder"' EXIT

serve() { # NAME
    local image=$folder/$1.img socket=$folder/$1.sock
    fallocate -l "$size" "$image"
    openssl enc -aes-128-ctr -pbkdf2 -pass pass:era -in /dev/zero 2>/dev/null |
        dd of="$image" bs=1M iflag=fullblock conv=notrunc count=$(($(stat -c %s "$image") >> 20)) status=none || true
    case $1 in
        era)
            mkfifo "$folder/stop"
            dotnet artifacts/bin/DmEra.Benchmarks/release/DmEra.Benchmarks.dll \
                serve-file "$image" "$socket" <>"$folder/stop" >/dev/null & ;;
        nbdkit) nbdkit -f -U "$socket" file "$image" & ;;
        qemu-nbd) qemu-nbd -t -f raw --cache=writeback -e 8 -k "$socket" "$image" & ;;
    esac
    pids+=($!)
    for _ in $(seq 100); do [ -S "$socket" ] && break; sleep 0.1; done
    cat "$image" >/dev/null    # into the page cache
}

measure() { # NAME PATTERN BLOCKSIZE DEPTH
    fio --name=bench --ioengine=nbd --uri="nbd+unix:///?socket=$folder/$1.sock" --rw="$2" --bs="$3" --iodepth="$4" \
        --time_based --runtime="$seconds" --ramp_time=1 --randrepeat=0 --norandommap --output-format=json |
        sed "/^fio:/d" | jq ".jobs[0].${2#rand}.iops | floor"
}

median() { sort -n | sed -n "$(((rounds + 1) / 2))p"; }

dotnet build -c Release bench/DmEra.Benchmarks >/dev/null
for server in "${servers[@]}"; do serve "$server"; done

echo "| work | $(printf '%s | ' "${servers[@]}")$(printf '/ %s | ' "${servers[@]:1}")"
echo "|---$(printf '|---:%.0s' "${servers[@]}" "${servers[@]:1}")|"
for job in "${jobs[@]}"; do
    IFS=: read -r pattern blocksize depth <<<"$job"
    for _ in $(seq "$rounds"); do
        for server in "${servers[@]}"; do
            measure "$server" "$pattern" "$blocksize" "$depth" >>"$folder/$job.$server"
        done
    done
    row="| $pattern $blocksize, depth $depth"
    for server in "${servers[@]}"; do row+=" | $(median <"$folder/$job.$server")"; done
    ours=$(median <"$folder/$job.${servers[0]}")
    for server in "${servers[@]:1}"; do
        row+=" | $(awk "BEGIN { printf \"%.2f\", $ours / $(median <"$folder/$job.$server") }")"
    done
    echo "$row |"
done
