#!/usr/bin/env bash
# Counts instructions with callgrind, since a clock on a shared machine measures its neighbours.
#
#   tests/real/instructions.sh            both checks
#   tests/real/instructions.sh --write    writes the table anew, after a change that is meant
#
# 1. Work is linear: each reader of the crate, over the shapes of tests/bounds, takes at most twelve times the instructions for ten
#    times the input.
# 2. No regression: the instructions of one operation of each workload of the example `throughput`, key operations left out, are at
#    most 5 % above those in tests/real/instructions.tsv. Other compilers count otherwise: the table's head names its own, and with
#    another one the check only prints.
#
# Needs: release builds of the examples `instructions` and `throughput`; valgrind, python3.
set -euo pipefail
cd "$(dirname "$0")/../.."
built=$PWD/${CARGO_TARGET_DIR:-target}/release/examples
table=tests/real/instructions.tsv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
ok() { echo "ok: $*"; }
for program in instructions throughput; do [ -x "$built/$program" ] || fail "$built/$program is not built"; done

# count NAME TOGGLES PROGRAM ARGUMENTS...: counts are dumped each time the function that TOGGLES names first is left.
count() {
  local name=$1 first=$2 toggles=() pattern
  IFS=' ' read -ra patterns <<<"$2"
  first=${patterns[0]}
  for pattern in "${patterns[@]}"; do toggles+=("--toggle-collect=$pattern"); done
  shift 2
  mkdir "$work/$name"
  # Before the first dump is everything that prepares.
  valgrind -q --tool=callgrind --callgrind-out-file="$work/$name/out" --combine-dumps=no --dump-before="$first" --dump-after="$first" "${toggles[@]}" \
    "$@" >"$work/$name/stdout" 2>"$work/$name/stderr" || { tail -n 5 "$work/$name/stderr" >&2; tail -n 2 "$work/$name/stdout" >&2; fail "$name did not run under callgrind"; }
}
# The totals of every second dump: a function entered, then left.
totals() { for number in $(ls "$work/$1" | sed -n 's/^out\.//p' | sort -n); do sed -n 's/^totals: //p' "$work/$1/out.$number"; done; }

# --- 1. ten times the input ----------------------------------------------------------------------------------------------------
count readers '*instructions::one_reading*' "$built/instructions"
totals readers >"$work/totals"
python3 - "$work/readers/stdout" "$work/totals" <<'PYTHON' || fail "a reader takes more than its share"
import sys

inputs = [(name, int(size)) for name, size in (line.rstrip("\n").split("\t") for line in open(sys.argv[1]))]
totals = [int(line) for line in open(sys.argv[2]) if line.strip()]
counts = totals[1::2][: len(inputs)]
assert len(counts) == len(inputs) and all(counts), (len(totals), len(inputs))
worst = 0.0
for (name, small), (_, large), few, many in zip(inputs[::2], inputs[1::2], counts[::2], counts[1::2]):
    share = many / few / (large / small)
    worst = max(worst, share)
    print(f"{name}: {few} for {small} bytes, {many} for {large}: {10 * share:.2f} times for ten times the input")
    assert share <= 1.2, f"{name} takes {10 * share:.1f} times the instructions for ten times the input"
print(f"the worst of {len(inputs) // 2}: {10 * worst:.2f} times")
PYTHON
ok "work is linear"

# --- 2. the workloads ---------------------------------------------------------------------------------------------------------
compiler=$(rustc --version)
printf '# %s\n# workload\tinstructions of one operation, key operations left out\n' "$compiler" >"$work/table"
# operations for each: enough that a single odd one does not count.
for workload in check-in:200 report:100 apps:2 mdm-signature:50 scep:10 scep-p256:10 issue:20 issue-p256:20 crl:1 ocsp-p256:50 wake:500; do
  name=${workload%:*} operations=${workload#*:}
  count "$name" '*throughput::measure::measured* *throughput::counted::count*' "$built/throughput" "$name" --operations "$operations"
  total=$(totals "$name" | sed -n 2p)
  [ "${total:-0}" -gt 0 ] || fail "nothing was counted for $name"
  printf '%s\t%s\n' "$name" $((total / operations)) >>"$work/table"
done
cat "$work/table"
if [ "${1:-}" = --write ]; then cp "$work/table" "$table"; ok "$table is written"; exit; fi
python3 - "$table" "$work/table" "$compiler" <<'PYTHON' || fail "more instructions than before; when that is meant, tests/real/instructions.sh --write"
import sys

def read(path):
    return {name: int(count) for name, count in (line.split("\t") for line in open(path) if not line.startswith("#"))}

before, now = read(sys.argv[1]), read(sys.argv[2])
assert before.keys() == now.keys(), "the table has other workloads; write it anew"
same = open(sys.argv[1]).readline().strip() == "# " + sys.argv[3]
over = []
for name in now:
    change = now[name] / before[name] - 1
    print(f"{name}: {before[name]} before, {now[name]} now, {100 * change:+.1f} %")
    if change > 0.05:
        over.append(name)
if over and not same:
    print("another compiler than the table's: not judged")
    over = []
sys.exit(bool(over))
PYTHON
ok "no workload takes more than 5 % above the table"
