#!/usr/bin/env bash
# Our tools beside those of thin-provisioning-tools 0.9.0, in alternation, on the same metadata: 2^24 blocks, 30 % of them
# with scattered eras 1..200, and 8 undigested writesets of 1 % each. Output goes to /dev/null, restored and repaired
# metadata to a file. Prints medians of the time, the highest peak of memory, and ratios as a Markdown table.
#
#   bench/tools.sh [ROUNDS]        default: 3
#
#   TOOLS    which: check invalidate dump restore repair small
#   SLOW     rounds of 0.9.0's dump and restore, which take minutes: 1
#   BLOCKS   origin blocks, 16777216
#   FOLDER   for 7 GB of files
#
# Needs GNU time, for the peaks. 'repair', which 0.9.0 does not have, stands beside our own check; 'small' is the tools
# with metadata of 4 MiB. What runs is the program that ./era has built; ./era itself takes 10 ms more, to look whether
# a source has changed.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

rounds=${1:-3}
slow=${SLOW:-1}
blocks=${BLOCKS:-16777216}
read -ra tools <<<"${TOOLS:-check invalidate dump restore repair small}"
folder=$(mktemp -d "${FOLDER:-/var/tmp}/era-bench.XXXXXX")
trap 'rm -rf "$folder"' EXIT

# Half of the blocks with an era in the array, and all that are marked, were written in era 101 or later.
since=101

measure() { # NAME COMMAND... appends "seconds KiB"
    local name=$1 begin=$EPOCHREALTIME
    shift
    /usr/bin/time -f '%M' -o "$folder/peak" "$@" >/dev/null
    echo "$begin $EPOCHREALTIME $(<"$folder/peak")" | awk '{ print $2 - $1, $3 }' >>"$folder/$name"
}

median() { awk '{ print $1 }' "$folder/$1" | sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

peak() { awk '$2 > most { most = $2 } END { printf "%d", most / 1024 }' "$folder/$1"; }

compare() { # TOOL THEIR_ROUNDS OURS... -- THEIRS...
    local tool=$1 theirs=$2 ours=()
    shift 2
    for ((; $# > 0; )); do
        if [[ $1 == -- ]]; then break; fi
        ours+=("$1")
        shift
    done
    shift
    for round in $(seq "$rounds"); do
        if ((round <= theirs)); then measure "$tool.theirs" "$@"; fi
        measure "$tool.ours" "${ours[@]}"
    done
    awk -v tool="$tool" -v theirs="$(median "$tool.theirs")" -v ours="$(median "$tool.ours")" \
        -v most="$(peak "$tool.theirs")" -v peak="$(peak "$tool.ours")" \
        'BEGIN { printf "| %s | %.3f s | %.3f s | %.2f | %d MiB | %d MiB |\n", tool, theirs, ours, theirs / ours, most, peak }'
}

./era --version >/dev/null    # builds it
era=artifacts/launcher/era/era
DOTNET_ROOT=${DOTNET_ROOT:-$(dirname "$(readlink -f "$(command -v dotnet)")")}
export DOTNET_ROOT
dotnet build -c Release -v quiet --nologo bench/DmEra.Benchmarks >/dev/null
make_metadata() { dotnet artifacts/bin/DmEra.Benchmarks/release/DmEra.Benchmarks.dll tools-metadata "$@"; }
big=$folder/big new=$folder/new
make_metadata "$big" "$blocks"
truncate -s "$(stat -c %s "$big")" "$new"

echo "| tool | 0.9.0 | era | ratio | peak, 0.9.0 | peak, era |"
echo "|---|---:|---:|---:|---:|---:|"
for tool in "${tools[@]}"; do
    case $tool in
        check) compare check "$rounds" $era check -q "$big" -- era_check -q "$big" ;;
        invalidate)
            compare invalidate "$rounds" $era invalidate --written-since $since "$big" -- era_invalidate --written-since $since "$big"
            ;;
        dump) compare dump "$slow" $era dump "$big" -- era_dump "$big" ;;
        restore)
            $era dump -o "$folder/xml" "$big"
            compare restore "$slow" $era restore -q -i "$folder/xml" -o "$new" -- era_restore -q -i "$folder/xml" -o "$new"
            rm "$folder/xml"
            ;;
        repair)
            # A file that is written over and over is slower to flush than one that is new.
            compare repair "$rounds" $era repair -q -i "$big" -o "$new" -- $era check -q "$big"
            ;;
        small)
            make_metadata "$folder/small" 200000
            $era dump -o "$folder/small.xml" "$folder/small"
            cp "$folder/small" "$folder/small.new"
            compare "check, 4 MiB" "$rounds" $era check -q "$folder/small" -- era_check -q "$folder/small"
            compare "invalidate, 4 MiB" "$rounds" $era invalidate --written-since $since "$folder/small" -- \
                era_invalidate --written-since $since "$folder/small"
            compare "dump, 4 MiB" "$rounds" $era dump "$folder/small" -- era_dump "$folder/small"
            compare "restore, 4 MiB" "$rounds" $era restore -i "$folder/small.xml" -o "$folder/small.new" -- \
                era_restore -i "$folder/small.xml" -o "$folder/small.new"
            compare "repair, 4 MiB" "$rounds" $era repair -i "$folder/small" -o "$folder/small.new" -- $era check -q "$folder/small"
            ;;
    esac
done
