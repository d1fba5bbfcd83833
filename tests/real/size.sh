#!/usr/bin/env bash
# A program carries the code of those commands only that it uses: links one that reads property lists, one that sends and reads a
# single command, and one that sends and reads every command, and compares them.
#
# Needs: a release build of the library; rustc; `size` of binutils.
set -euo pipefail
cd "$(dirname "$0")/../.."
release=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
library=$(ls -t "$release"/deps/libmdm_core-*.rlib 2>/dev/null | head -1)
[ -n "$library" ] || fail "the library is not built in $release"

link() {
  rustc --edition 2024 -C opt-level=3 -C strip=debuginfo -L "dependency=$release/deps" --extern "mdm_core=$library" \
    -o "$work/$1" "$work/$1.rs" || fail "$1 does not link"
  printf '%-28s %9d bytes of code and constants\n' "$1" "$(size "$work/$1" | awk 'NR == 2 { print $1 }')"
}

cat >"$work/property-lists.rs" <<'RUST'
use mdm_core::{limits::Limits, plist};

fn main() {
    let body = std::env::args().nth(1).unwrap_or_default();
    let value = plist::parse(body.as_bytes(), &Limits::MESSAGE);
    println!("{:?}", value.map(|value| plist::to_xml(&value)));
}
RUST

# program NAME COMMAND...
program() {
  {
    echo 'use mdm_core::{command::{self, Command, Report}, limits::Limits};'
    echo 'fn main() {'
    echo '    let body = std::env::args().nth(1).unwrap_or_default();'
    for command in "${@:2}"; do
      echo "    println!(\"{:?}\", Command::new(\"1\", command::$command::default()).to_xml());"
      echo "    println!(\"{:?}\", Report::parse(body.as_bytes(), &Limits::MESSAGE).map(|it| it.answer::<command::$command>()));"
    done
    echo '}'
  } >"$work/$1.rs"
}
mapfile -t commands < <(sed -n 's/^ *\([A-Za-z]*\) => [A-Za-z]*,$/\1/p' src/schema/generated/command/mod.rs)
program one-command DeviceLock
program every-command "${commands[@]}"

echo "${#commands[@]} commands"
link property-lists
link one-command
link every-command
code() { size "$work/$1" | awk 'NR == 2 { print $1 }'; }
added=$(($(code one-command) - $(code property-lists)))
all=$(($(code every-command) - $(code property-lists)))
echo "one command adds $added bytes, all of them $all"
[ $((added * 5)) -lt "$all" ] || fail "one command costs nearly as much as all"
# The wire keys of other commands are nowhere in the program.
for key in LOMDeviceRequest InstalledApplicationList QueryResponses ManagedApplicationFeedback; do
  ! grep -qa "$key" "$work/one-command" || fail "the program with one command holds $key"
done
echo "ok: a program carries the commands that it uses"
