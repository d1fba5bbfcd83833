#!/usr/bin/env bash
# Fuzzes every target, or those that are named, for so many seconds each; the first finding stops it.
#
#   fuzz/run.sh SECONDS [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?seconds for each target}
shift
[ $# -gt 0 ] || mapfile -t targets < <(cargo fuzz list)
[ $# -eq 0 ] || targets=("$@")
# Everything is built once; the programs run on all the cores that are there.
cargo fuzz build -s none
for target in "${targets[@]}"; do
  mkdir -p "fuzz/corpus/$target"
  log=$(mktemp)
  if ! cargo fuzz run -s none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 -max_len=65536 -print_final_stats=1 >"$log" 2>&1; then
    tail -n 40 "$log"
    echo "FINDING in $target: see above, and fuzz/artifacts/$target" >&2
    exit 1
  fi
  awk -v target="$target" '
    /number_of_executed_units/ { runs = $2 }
    /peak_rss_mb/ { memory = $2 }
    / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") coverage = $(i + 1) }
    END { printf "%-18s %12d executions, %6d edges, %4d MiB\n", target, runs, coverage, memory }' "$log"
  rm "$log"
done
