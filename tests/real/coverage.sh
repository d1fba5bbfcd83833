#!/usr/bin/env bash
# Which regions of `src` the tests reach: the whole of `cargo test` with every feature, instrumented by rustc, read by its own LLVM.
#
#   tests/real/coverage.sh            a line for each file below 92 %, the totals; fails when the whole of it is below 92 %
#   tests/real/coverage.sh FILE...    the regions of these files that no test reaches, as well
#   tests/real/coverage.sh --corpus DIR [FILE...]
#                                     what fuzzing reaches instead: the seeds, and the files of a campaign (fuzz/corpus) through their
#                                     targets; a line for each module, and no least share
#
# Told apart: what is written by hand, the tables that are generated (src/schema/generated), and what only fuzzers call (src/fuzzing).
# Unit tests do not count as code that is covered, since they stand in files that are left out or behind the code of their file.
#
# Only the crate itself is instrumented, so that its dependencies need not be built again. Needs: rustup component add llvm-tools; python3.
set -euo pipefail
cd "$(dirname "$0")/../.."
least=92
tested=(--all-features --lib --tests)
# Two that count memory and work over large inputs: being counted themselves they take minutes, and reach what others reach.
filtered=(-- --skip memory_stays_within_twelve_times_the_input --skip ten_times_the_input_takes_at_most_twelve_times_the_work)
if [ "${1:-}" = --corpus ]; then
  MDM_CORE_CORPUS=$(realpath "${2:?a folder with a folder for each target}")
  export MDM_CORE_CORPUS
  # Regions are the same whatever the compiler makes of them, and these are many files.
  optimised=-Copt-level=1
  shift 2
  least=0
  tested=(--features fuzzing --lib)
  filtered=(-- every_seed_goes_through_its_target)
fi
tools=$(rustc --print target-libdir)/../bin
[ -x "$tools/llvm-cov" ] || { echo "FAILED: $tools/llvm-cov is not there: rustup component add llvm-tools" >&2; exit 1; }
target=$PWD/${CARGO_TARGET_DIR:-target}
[ -z "${CARGO_TARGET_DIR:-}" ] || target=$CARGO_TARGET_DIR
work=$target/coverage
rm -rf "$work"
mkdir -p "$work"
printf '#!/bin/sh\nrustc=$1\nshift\nexec "$rustc" "$@" -Cinstrument-coverage %s\n' "${optimised:-}" >"$work/rustc"
chmod +x "$work/rustc"
export RUSTC_WORKSPACE_WRAPPER=$work/rustc LLVM_PROFILE_FILE=$work/%p-%m.profraw CARGO_INCREMENTAL=0
cargo=${CARGO:-cargo}

"$cargo" test "${tested[@]}" --no-run --message-format=json-render-diagnostics 2>"$work/build" >"$work/messages" ||
  { tail -n 40 "$work/build" >&2; exit 1; }
"$cargo" test --no-fail-fast "${tested[@]}" "${filtered[@]}" >"$work/tests" 2>&1 || { grep -E -A 3 "FAILED|panicked" "$work/tests" >&2; exit 1; }
awk '/ \.\.\. ignored/ { print } /^test result: / { passed += $4; ignored += $8 } END { print passed " tests passed, " ignored " ignored" }' "$work/tests"
"$tools/llvm-profdata" merge -sparse "$work"/*.profraw -o "$work/merged"
objects=$(python3 -c '
import json, sys
for line in open(sys.argv[1]):
    message = json.loads(line)
    if message.get("executable") and message.get("profile", {}).get("test"):
        print("-object", message["executable"])' "$work/messages")
# shellcheck disable=SC2086  # a list of words
"$tools/llvm-cov" export -format=text -instr-profile "$work/merged" $objects >"$work/export.json"
python3 - "$work/export.json" "$PWD/src/" "$least" "$@" <<'PYTHON'
import json, sys
from collections import defaultdict

export, source, least, wanted = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4:]
# A region is a place in a file; it is reached when any copy of its function, in any of the programs, was there.
reached = defaultdict(dict)
for function in json.load(open(export))["data"][0]["functions"]:
    for first, column, last, end, count, file, _, kind in function["regions"]:
        name = function["filenames"][file]
        if kind == 0 and name.startswith(source):
            place = (first, column, last, end)
            regions = reached[name[len(source):]]
            regions[place] = regions.get(place, 0) + count

def tests_from(name):
    """The line where the unit tests of a file begin."""
    if "/tests/" in "/" + name or name.endswith("/tests.rs"):
        return 0
    lines = open(source + name).read().split("\n")
    marks = [number for number, line in enumerate(lines, 1) if line.startswith(("#[cfg(test)]", "#[cfg(all(test"))]
    return min(marks, default=len(lines) + 1)

kinds = {"by hand": [0, 0], "generated": [0, 0], "for fuzzers": [0, 0]}
rows = []
for name, regions in sorted(reached.items()):
    end = tests_from(name)
    code = {place: count for place, count in regions.items() if place[0] < end}
    if not code:
        continue
    covered = sum(count > 0 for count in code.values())
    kind = "generated" if name.startswith("schema/generated/") else "for fuzzers" if name.startswith("fuzzing/") else "by hand"
    kinds[kind][0] += covered
    kinds[kind][1] += len(code)
    if kind == "by hand":
        rows.append((100 * covered / len(code), len(code) - covered, len(code), name))
    if "src/" + name in wanted:
        for place, count in sorted(code.items()):
            if count == 0:
                print(f"src/{name}:{place[0]}:{place[1]} to {place[2]}:{place[3]}")
modules = defaultdict(lambda: [0, 0])
for share, missed, regions, name in sorted(rows):
    module = modules[name.removesuffix(".rs").split("/")[0]]
    module[0] += regions - missed
    module[1] += regions
    if share < least:
        print(f"{share:6.2f} %  {missed:4} regions are not reached  src/{name}")
if not least:
    for name, (covered, all_of_them) in sorted(modules.items()):
        print(f"{name}: {covered} of {all_of_them} regions, {100 * covered / all_of_them:.2f} %")
for kind, (covered, all_of_them) in kinds.items():
    if all_of_them:
        print(f"{kind}: {covered} of {all_of_them} regions, {100 * covered / all_of_them:.2f} %")
covered, all_of_them = kinds["by hand"]
if 100 * covered / all_of_them < least:
    sys.exit(f"FAILED: the tests reach less than {least:.0f} % of what is written by hand")
PYTHON
