#!/usr/bin/env bash
# Fuzzes every target, or those that are named, for so many seconds each, as many at a time as there are cores; the first finding
# stops it.
#
#   fuzz/run.sh SECONDS [TARGET...]
#   fuzz/run.sh build                 builds them, and runs none
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?seconds for each target}
shift
if [ "${FUZZ_ONE:-}" ]; then # One target, from below.
  target=$1
  mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  if ! "$FUZZ_ONE/$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -artifact_prefix="fuzz/artifacts/$target/" \
    -max_total_time="$seconds" -timeout=25 -rss_limit_mb=512 -max_len=65536 -print_final_stats=1 >"$log" 2>&1; then
    tail -n 40 "$log"
    echo "FINDING in $target: see above, and fuzz/artifacts/$target" >&2
    # Tells xargs to start no other.
    exit 255
  fi
  awk -v target="$target" '
    /number_of_executed_units/ { runs = $2 }
    /peak_rss_mb/ { memory = $2 }
    / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") coverage = $(i + 1) }
    END { printf "%-18s %12d executions, %6d edges, %4d MiB\n", target, runs, coverage, memory }' "$log"
  exit
fi
[ $# -gt 0 ] || mapfile -t targets < <(cargo fuzz list)
[ $# -eq 0 ] || targets=("$@")
# Everything is built once, or what is named; as `profile.dev` says, since with a release cargo-fuzz wants debug information, which takes
# long and is of use to nobody here: a finding is a file.
cargo fuzz build --dev -s none $([ $# -ne 1 ] || echo "$1")
[ "$seconds" != build ] || exit 0
triple=$(rustc -vV | sed -n 's/^host: //p')
FUZZ_ONE=${CARGO_TARGET_DIR:-fuzz/target}/$triple/debug
export FUZZ_ONE
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -n 1 fuzz/run.sh "$seconds"
