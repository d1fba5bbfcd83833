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

# count OPTIONS... -- PROGRAM ARGUMENTS...: the instructions that were collected.
count() {
  local options=()
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  valgrind -q --tool=callgrind --callgrind-out-file="$work/out" "${options[@]}" "$@" >"$work/stdout" 2>"$work/stderr" ||
    { tail -n 5 "$work/stderr" >&2; fail "$* did not run under callgrind"; }
  sed -n 's/^totals: //p' "$work/out"
}

# --- 1. ten times the input ----------------------------------------------------------------------------------------------------
"$built/instructions" | while IFS= read -r name; do
  for size in small large; do
    counted=$(count '--toggle-collect=*instructions::one_reading*' -- "$built/instructions" "$name" "$size")
    printf '%s\t%s\t%s\n' "$name" "$(cat "$work/stdout")" "$counted"
  done
done >"$work/readers"
python3 - "$work/readers" <<'PYTHON' || fail "a reader takes more than its share"
import sys

rows = [line.rstrip("\n").split("\t") for line in open(sys.argv[1])]
worst, over = 0.0, []
for (name, small, few), (_, large, many) in zip(rows[::2], rows[1::2]):
    small, few, large, many = map(int, (small, few, large, many))
    assert few > 0, name + ": nothing was counted"
    # The larger input is not to the byte ten times the smaller.
    times = 10 * many / few / (large / small)
    worst = max(worst, times)
    print(f"{name}: {few} for {small} bytes, {many} for {large}: {times:.2f} times for ten times the input")
    if times > 12:
        over.append(name)
print(f"{len(rows) // 2} readers, the worst takes {worst:.2f} times for ten times the input")
sys.exit(bool(over))
PYTHON
ok "work is linear"

# --- 2. the workloads ---------------------------------------------------------------------------------------------------------
compiler=$(rustc --version)
printf '# %s\n# workload\tinstructions of one operation, key operations left out\n' "$compiler" >"$work/table"
# What prepares goes out by the difference between one operation and many; key operations are not collected.
for workload in check-in:200 report:100 apps:2 mdm-signature:50 scep:10 scep-p256:10 issue:20 issue-p256:20 crl:1 ocsp-p256:50 wake:500; do
  name=${workload%:*} operations=${workload#*:}
  each() { count '--toggle-collect=*throughput::counted::count*' --collect-atstart=yes -- "$built/throughput" "$name" --operations "$1"; }
  one=$(each 1) many=$(each $((1 + operations)))
  [ "$many" -gt "$one" ] || fail "nothing was counted for $name"
  printf '%s\t%s\n' "$name" $(((many - one) / operations)) >>"$work/table"
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
