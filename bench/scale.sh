#!/usr/bin/env bash
# What grows with the size of a disk: sparse disks of 2^20 to 2^31 - 1 blocks of 4 KiB, each with the same 1,000 blocks written all
# over it in each of ROUNDS eras. Prints medians as a Markdown table.
#
#   bench/scale.sh [ROUNDS]      default: 5
#
#   FOLDER    where disks and metadata lie; needs sparse files of 8 TiB (xfs, btrfs, tmpfs)
#   BLOCKS    the sizes, "1048576 16777216 134217728 2147483647"
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

rounds=${1:-5}
folder=$(mktemp -d "${FOLDER:-/dev/shm}/era-scale.XXXXXX")
pid=
# Only what was started here is ended.
trap 'kill $pid 2>/dev/null; wait; rm -rf "$folder"' EXIT

./era --version >/dev/null    # builds it
echo "| blocks | ready, s | memory idle, MiB | metadata, MiB | checkpoint of an empty era: ms | KiB written | with 1,000 blocks: ms | KiB written | digestion, KiB written | memory then, MiB | metadata then, MiB |"
echo "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
for blocks in ${BLOCKS:-1048576 16777216 134217728 2147483647}; do
    disk=$folder/$blocks.img
    truncate -s $((blocks * 4096)) "$disk"
    begin=$(date +%s%N)
    ./era serve "$disk" --block-size 4K --listen "unix:$folder/nbd" --control "$folder/ctl" >"$folder/out" &
    pid=$!
    for _ in $(seq 6000); do grep -qx ready "$folder/out" && break; sleep 0.01; done
    ready=$((($(date +%s%N) - begin) / 10000000))
    /usr/bin/python3 - "$folder" $pid "$blocks" "$rounds" "$ready" "$disk.era" <<'END'
import http.client, nbd, os, random, socket, statistics, sys, time

folder, pid, blocks, rounds, ready, metadata = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]), sys.argv[6]

class Control(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(folder + "/ctl")

def written():
    return int(next(line for line in open(f"/proc/{pid}/io") if line.startswith("wchar")).split()[1]) // 1024

def rest():      # until nothing is written any more: digestion is done
    last = -1
    for _ in range(600):
        now = written()
        if now == last: return
        last = now
        time.sleep(0.3)
    sys.exit("digestion does not end")

def memory():
    return int(next(line for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS")).split()[1]) // 1024

def allocated():
    return os.stat(metadata).st_blocks / 2048

def checkpoint():
    before, begin = written(), time.monotonic()
    control.request("POST", "/v1/device/checkpoint")
    answer = control.getresponse()
    answer.read()
    assert answer.status == 200
    return (time.monotonic() - begin) * 1000, written() - before

control = Control("localhost")
rest()
idle, new = memory(), allocated()
empty, full, digestion = [], [], []
checkpoint()                                      # the first one compiles the code
client = nbd.NBD()
client.connect_uri(f"nbd+unix:///{os.path.basename(metadata)[:-4]}?socket={folder}/nbd")
random.seed(1)
for _ in range(rounds):
    rest()
    empty.append(checkpoint())
    rest()
    for _ in range(1000): client.pwrite(bytes(4096), random.randrange(blocks) * 4096)
    full.append(checkpoint())
    before = written()
    rest()
    digestion.append(written() - before)

def median(values): return statistics.median(values)
columns = [f"{blocks:,}", f"{ready / 100:.2f}", idle, f"{new:.1f}"]
for results in empty, full: columns += [f"{median(r[0] for r in results):.1f}", f"{median(r[1] for r in results):.0f}"]
print("|", *(f"{column} |" for column in columns + [f"{median(digestion):.0f}", memory(), f"{allocated():.1f}"]))
END
    kill $pid
    wait $pid || true
    rm -f "$disk"*
done
