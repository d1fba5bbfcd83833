#!/usr/bin/env bash
# The example server is killed at random moments while simulated devices live with it; then everything is held together.
#
#   tests/real/crash.sh            20 kills, 40 devices: about two minutes
#   tests/real/crash.sh full       100 kills, 200 devices
#   tests/real/crash.sh KILLS DEVICES
#
# Proven at the end, from the devices' files, the server's database and its revocation lists: no serial number twice, every
# certificate that a device holds in the store, byte for byte; every command that was confirmed answered, and once; a record's
# revision the number of its events; CRL numbers rising. Then the same devices meet a disk that is full and a database that may not
# be written: a clear error, nothing damaged, and all goes on when there is room again.
#
# Needs: release builds of the examples `server` and `device`; openssl, curl, python3.
set -euo pipefail
cd "$(dirname "$0")/../.."
case ${1:-short} in
  short) kills=20 count=40 ;;
  full) kills=100 count=200 ;;
  *) kills=$1 count=${2:?KILLS DEVICES} ;;
esac
built=${MDM_CORE_EXAMPLES:-$PWD/${CARGO_TARGET_DIR:-target}/release/examples}
work=$(mktemp -d)
chmod 755 "$work"
port=$((20000 + RANDOM % 20000))
url=http://127.0.0.1:$port
challenge="correct horse $RANDOM"
pid= lives= mounted=

finish() {
  code=$?
  for child in $pid $lives; do kill -9 "$child" 2>/dev/null || true; done
  if [ $code -ne 0 ]; then
    for log in server device full; do [ ! -s "$work/$log.log" ] || { echo "--- $log log"; tail -n 30 "$work/$log.log"; }; done
  fi
  [ -z "$mounted" ] || umount "$mounted" || true
  rm -rf "$work"
  exit $code
}
trap finish EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
ok() { echo "ok: $*"; }
for program in server device; do
  [ -x "$built/$program" ] || fail "$built/$program is not built"
  cp "$built/$program" "$work/$program"
done

# start DATA LOG: in the background, without waiting for it.
start() {
  "$work/server" --listen "127.0.0.1:$port" --data "$1" --challenge "$challenge" >>"$2" 2>&1 &
  pid=$!
}
up() {
  for _ in $(seq 200); do
    curl -fsS --max-time 5 "$url/ca.pem" -o "$work/ca.pem" 2>/dev/null && return
    kill -0 "$pid" 2>/dev/null || fail "the server stopped at start"
    sleep 0.1
  done
  fail "the server did not answer within twenty seconds"
}
killed() { kill -9 "$pid"; wait "$pid" 2>/dev/null || true; pid=; }
token() { sed -n 's/^admin token: //p' "$1" | tail -n 1; }
# A moment between 0.05 s and so many hundredths more.
moment() { local hundredths=$((5 + RANDOM % $1)); printf '%d.%02d' $((hundredths / 100)) $((hundredths % 100)); }
devices() { # LOG ARGUMENTS...
  local log=$1; shift
  "$work/device" --server "$url" --challenge "$challenge" --admin-token "$token" "$@" >>"$log" 2>&1
}

# --- the keys and the authority are made, and cut off --------------------------------------------------------------------------
for _ in 1 2 3 4 5; do start "$work/data" "$work/server.log"; sleep "$(moment 60)"; killed; done
start "$work/data" "$work/server.log"
up
token=$(token "$work/server.log")
[ -n "$token" ] || fail "the server printed no admin token"
ok "an authority that was cut off five times while it was made stands"

# --- killed while devices live with it ----------------------------------------------------------------------------------------
devices "$work/device.log" --count "$count" --parallel 16 --seconds $((kills + kills / 5)) --patience 120 --state "$work/state" &
lives=$!
mkdir "$work/crl"
for number in $(seq "$kills"); do
  # A list is made in every life, and now and then the server is killed over it.
  (curl -fsS --max-time 10 --retry 20 --retry-delay 0 --retry-connrefused --retry-max-time 3 "$url/crl" -o "$work/crl/$number.part" 2>/dev/null &&
    mv "$work/crl/$number.part" "$work/crl/$(date +%s%N).der") &
  sleep "$(moment 130)"
  kill -0 "$lives" 2>/dev/null || { wait "$lives" || true; fail "the devices were through before the server was killed often enough"; }
  kill -0 "$pid" 2>/dev/null || fail "the server stopped by itself"
  killed
  start "$work/data" "$work/server.log"
done
up
code=0
wait "$lives" || code=$?
lives=
tail -n 20 "$work/device.log"
[ $code -eq 0 ] || fail "not everything held for the devices (exit code $code)"
curl -fsS "$url/crl" -o "$work/crl/$(date +%s%N).der"
ok "$count devices lived through $kills kills"

# --- and now the books ----------------------------------------------------------------------------------------------------------
prove() { # DATA STATE
  kill -TERM "$pid" && wait "$pid" || fail "SIGTERM did not stop the server cleanly"
  pid=
  python3 - "$1/mdm.sqlite" "$work/records" "$work/events" <<'PYTHON' || fail "the database is damaged"
import json, sqlite3, sys

database, records, events = sys.argv[1:]
db = sqlite3.connect(database)
assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
for path, sql in [(records, "SELECT kind, key, revision, body FROM record"), (events, "SELECT kind, key, body FROM event ORDER BY number")]:
    with open(path, "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in db.execute(sql))
PYTHON
  python3 tests/real/books.py "$work/records" "$work/events" "$2" || fail "the books do not add up"
}
prove "$work/data" "$work/state"
ok "no serial number twice, every certificate in the store, every command answered once, every revision the number of its events"

previous=0 lists=0
for list in "$work"/crl/*.der; do
  openssl crl -inform DER -in "$list" -CAfile "$work/ca.pem" -noout 2>&1 | grep -q "verify OK" || fail "OpenSSL does not believe $list"
  this=$((16#$(openssl crl -inform DER -in "$list" -noout -crlnumber | sed 's/.*=0x//; s/.*=//')))
  [ "$this" -ge "$previous" ] || fail "the CRL number fell from $previous to $this"
  if [ "$this" -eq "$previous" ]; then cmp -s "$list" "$last" || fail "two lists have the number $this"; fi
  previous=$this last=$list lists=$((lists + 1))
done
[ "$lists" -ge 2 ] || fail "there are too few lists to compare"
ok "the numbers of $lists revocation lists never fall, and one number is one list"

# --- the disk is full ----------------------------------------------------------------------------------------------------------
# A small file system where one can be mounted; else a limit on the size of files. The log is elsewhere in either case.
mkdir "$work/small"
if mount -t tmpfs -o size=1m none "$work/small" 2>/dev/null; then
  mounted=$work/small
  start "$work/small" "$work/full.log"
else
  (ulimit -f 600; trap '' XFSZ; exec "$work/server" --listen "127.0.0.1:$port" --data "$work/small" --challenge "$challenge") \
    > >(exec cat >>"$work/full.log") 2>&1 &
  pid=$!
fi
up
token=$(token "$work/full.log")
if devices "$work/device.log" --count 12 --parallel 4 --seconds 20 --patience 4 --state "$work/small-state"; then fail "the disk was never full"; fi
kill -0 "$pid" 2>/dev/null || fail "the server died of a full disk"
grep -qE "database or disk is full|disk I/O error" "$work/full.log" || fail "the log does not say that the disk is full"
curl -fsS --max-time 5 "$url/ca.pem" -o "$work/ca.pem" || fail "what needs no room is not served any more"
ok "on a full disk: $(grep -m 1 -oE "[a-z: ]*(database or disk is full|disk I/O error)" "$work/full.log"); the server goes on"
killed
[ -z "$mounted" ] || mount -o remount,size=64m "$mounted"
start "$work/small" "$work/full.log"
up
devices "$work/device.log" --count 12 --parallel 4 --seconds 1 --patience 30 --state "$work/small-state" || fail "not everything held when there was room again"
prove "$work/small" "$work/small-state"
ok "with room again, the same devices go on and nothing was lost"

# --- the database may not be written --------------------------------------------------------------------------------------------
readonly_as=()
chmod -R a+rX,a-w "$work/data"
[ "$(id -u)" -ne 0 ] || readonly_as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
before=$(sha256sum "$work/data/mdm.sqlite")
code=0
timeout 20 "${readonly_as[@]}" "$work/server" --listen "127.0.0.1:$port" --data "$work/data" --challenge "$challenge" >"$work/readonly.log" 2>&1 || code=$?
[ $code -eq 1 ] || { cat "$work/readonly.log"; fail "the server does not refuse a database that it may not write (exit code $code)"; }
grep -qE "^error: .*mdm.sqlite.*(readonly|read-only|unable to open)" "$work/readonly.log" || { cat "$work/readonly.log"; fail "the error is not clear"; }
[ "$before" = "$(sha256sum "$work/data/mdm.sqlite")" ] || fail "the database was changed"
chmod -R u+w "$work/data"
ok "read-only: $(grep -m 1 '^error: ' "$work/readonly.log" | sed "s|$work/||g")"
