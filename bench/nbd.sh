#!/usr/bin/env bash
# Our server beside nbdkit's file plugin and qemu-nbd: fio and nbdcopy over a Unix socket, each server on an image of its
# own with the same random content, page-cached, in alternation. Prints medians and ratios as a Markdown table.
#
#   bench/nbd.sh [ROUNDS [SECONDS]]        defaults: 5 rounds of 5 seconds each
#
# The rows of the table do not depend on each other: JOBS can name one at a time, where the machine is never quiet for long.
#
#   SERVERS   era (tracking, every block marked), before (the same of another checkout, whose launcher BEFORE names),
#             file (ours without tracking), nbdkit, qemu-nbd (raw), qemu-bitmap (qcow2 with an active dirty bitmap)
#   JOBS      PATTERN:BLOCKSIZE:DEPTH for fio (requests a second), or nbdcopy (MiB a second)
#   SIZE      of the images, 1G
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

rounds=${1:-5}
seconds=${2:-5}
size=${SIZE:-1G}
read -ra servers <<<"${SERVERS:-era nbdkit qemu-nbd qemu-bitmap}"
read -ra jobs <<<"${JOBS:-randread:4k:32 randread:4k:1 randwrite:4k:32 randwrite:4k:1 randread:64k:32 randwrite:64k:32 nbdcopy}"

folder=$(mktemp -d "${TMPDIR:-/var/tmp}/era-bench.XXXXXX")
declare -A pids
# Only what was started here is ended.
trap 'kill "${pids[@]}" 2>/dev/null; wait; rm -rf "$folder"' EXIT

uri() { echo "nbd+unix:///?socket=$folder/$1.sock"; }

start() { # NAME
    local image=$folder/$1.img socket=$folder/$1.sock
    truncate -s "$size" "$image"
    case $1 in
        era) ./era serve "$image" --listen "unix:$socket" --control "$folder/$1.ctl" >/dev/null & ;;
        before) "$BEFORE" serve "$image" --listen "unix:$socket" --control "$folder/$1.ctl" >/dev/null & ;;
        file)
            mkfifo "$folder/stop"
            dotnet artifacts/bin/DmEra.Benchmarks/release/DmEra.Benchmarks.dll \
                serve-file "$image" "$socket" <>"$folder/stop" >/dev/null & ;;
        nbdkit) nbdkit -f -U "$socket" file "$image" & ;;
        qemu-nbd) qemu-nbd -t -f raw --cache=writeback -e 8 -k "$socket" "$image" & ;;
        qemu-bitmap)
            qemu-img create -q -f qcow2 "$image" "$size"
            qemu-img bitmap --add --enable -g 64k "$image" tracked
            qemu-nbd -t -f qcow2 --cache=writeback -e 8 -k "$socket" "$image" & ;;
    esac
    pids[$1]=$!
    for _ in $(seq 300); do [[ -S $socket ]] && break; sleep 0.1; done

    # Fills the image, marks every block, and leaves all of it in the page cache.
    nbdcopy "$folder/content" "$(uri "$1")"
}

measure() { # NAME JOB
    local pattern blocksize depth began
    cat "$folder/$1.img" >/dev/null     # what a system that hands idle pages back has dropped meanwhile
    if [[ $2 == nbdcopy ]]; then
        began=$(date +%s%N)
        nbdcopy --connections=4 "$(uri "$1")" null:
        awk "BEGIN { print int($(stat -c %s "$folder/content") / 1048576 * 1e9 / ($(date +%s%N) - $began)) }"
        return
    fi
    IFS=: read -r pattern blocksize depth <<<"$2"
    fio --name=bench --ioengine=nbd --uri="$(uri "$1")" --rw="$pattern" --bs="$blocksize" --iodepth="$depth" \
        --time_based --runtime="$seconds" --ramp_time=1 --randrepeat=0 --norandommap --output-format=json |
        sed '/^fio:/d' | jq ".jobs[0].${pattern#rand}.iops | floor"
}

median() { sort -n "$1" | sed -n "$(((rounds + 1) / 2))p"; }

./era --version >/dev/null    # builds it
dotnet build -c Release bench/DmEra.Benchmarks >/dev/null
openssl enc -aes-128-ctr -pbkdf2 -pass pass:era -in /dev/zero 2>/dev/null |
    head -c "$(numfmt --from=iec "$size")" >"$folder/content" || true
for server in "${servers[@]}"; do start "$server"; done

heading="| work |" rule="|---|"
for server in "${servers[@]}"; do heading+=" $server |" rule+="---:|"; done
for server in "${servers[@]:1}"; do heading+=" : $server |" rule+="---:|"; done
printf '%s\n%s\n' "$heading" "$rule"
for job in "${jobs[@]}"; do
    for round in $(seq "$rounds"); do
        # Another one first in each round.
        for server in "${servers[@]:round % ${#servers[@]}}" "${servers[@]:0:round % ${#servers[@]}}"; do
            measure "$server" "$job" >>"$folder/$job.$server"
        done
        echo "$job, round $round: $(tail -qn 1 "${servers[@]/#/$folder/$job.}" | xargs)" >&2
    done
    row="| ${job//:/ } |"
    ours=$(median "$folder/$job.${servers[0]}")
    for server in "${servers[@]}"; do row+=" $(median "$folder/$job.$server") |"; done
    for server in "${servers[@]:1}"; do
        row+=" $(awk "BEGIN { printf \"%.2f\", $ours / $(median "$folder/$job.$server") }") |"
    done
    echo "$row"
done
