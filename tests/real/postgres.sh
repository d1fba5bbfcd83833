#!/usr/bin/env bash
# Three nodes of the example server over one database of PostgreSQL, while simulated devices live with all three of them: one node is
# killed, and later the database itself; then everything is held together.
#
#   tests/real/postgres.sh [DEVICES] [SECONDS]        24 devices, 20 seconds: about a minute
#   tests/real/postgres.sh store                      what tests/server_store.rs says of the store, held to PostgreSQL too (cargo)
#
# Proven at the end, from the devices' files, the database, and the revocation lists that all three nodes served: no serial number
# twice, every certificate that a device holds in the store, byte for byte; every command that was confirmed answered, and once; a
# record's revision the number of its events, and those in order; CRL numbers rising, and one number one list whichever node gave it.
# Then the nodes meet a database that may not be written, one that is away, and addresses that they must refuse.
#
# Needs: release builds of the examples `server`, `device` and `scale`; PostgreSQL's programs, openssl, curl, python3.
set -euo pipefail
cd "$(dirname "$0")/../.."
only= count=24 seconds=20
case ${1:-} in
  store) only=store ;;
  *) count=${1:-$count} seconds=${2:-$seconds} ;;
esac
built=${MDM_CORE_EXAMPLES:-$PWD/${CARGO_TARGET_DIR:-target}/release/examples}
work=$(mktemp -d)
chmod 755 "$work"
base=$((20000 + RANDOM % 20000))
challenge="correct horse $RANDOM"
nodes=(1 2 3)
declare -A pid=()
lives= lists=

# PostgreSQL refuses to run as root.
as=()
if [ "$(id -u)" -eq 0 ]; then
  for user in postgres nobody; do id "$user" >/dev/null 2>&1 && as=(runuser -u "$user" --) && break; done
fi

finish() {
  code=$?
  for child in "${pid[@]}" $lives $lists; do kill -9 "$child" 2>/dev/null || true; done
  if [ $code -ne 0 ]; then
    for log in "$work"/*.log; do [ ! -s "$log" ] || { echo "--- $log"; tail -n 30 "$log"; }; done
  fi
  [ ! -d "$work/db/base" ] || postgres stop -m immediate >/dev/null 2>&1 || true
  rm -rf "$work"
  exit $code
}
trap finish EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
ok() { echo "ok: $*"; }
for program in server device scale; do
  [ -z "$only" ] || break
  [ -x "$built/$program" ] || fail "$built/$program is not built"
  cp "$built/$program" "$work/$program"
done
initdb=$(command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1 || true)
programs=$(dirname "$(readlink -f "${initdb:-none}")")
psql=$(command -v psql || echo "$programs/psql")
[ -x "$programs/initdb" ] || fail "PostgreSQL's programs are not here: apt-get install postgresql"

# --- a database of our own ------------------------------------------------------------------------------------------------------
mkdir "$work/db" "$work/socket"
[ ${#as[@]} -eq 0 ] || chown "$user" "$work/db" "$work/socket"
postgres() { (cd / && "${as[@]}" "$programs/pg_ctl" -D "$work/db" -l "$work/db/log" -w "$@"); }
(cd / && "${as[@]}" "$programs/initdb" -D "$work/db" -U mdm --auth=trust --encoding=UTF8 --locale=C.UTF-8 >"$work/initdb.log")
cat >>"$work/db/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $base
unix_socket_directories = '$work/socket'
CONF
postgres start >/dev/null
database=postgres://mdm@127.0.0.1:$base/mdm
sql() { "$psql" -X -q -At -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$base" -U mdm -d "${2:-mdm}" -c "$1"; }
if [ -n "$only" ]; then
  MDM_CORE_POSTGRES=postgres://mdm@127.0.0.1:$base ${CARGO:-cargo} test --test server_store
  ok "the store keeps its promises over PostgreSQL as over SQLite"
  exit
fi
sql "CREATE DATABASE mdm" postgres
sql "CREATE DATABASE scale" postgres

# --- three nodes that begin at once over an empty database -------------------------------------------------------------------------
port() { echo $((base + $1)); }
start() { # NODE
  "$work/server" --listen "127.0.0.1:$(port "$1")" --url "http://127.0.0.1:$(port 1)" --database "$database" --challenge "$challenge" \
    >>"$work/node$1.log" 2>&1 &
  pid[$1]=$!
}
up() { # NODE
  for _ in $(seq 600); do
    curl -fsS --max-time 5 "http://127.0.0.1:$(port "$1")/ca.pem" -o "$work/ca.$1.pem" 2>/dev/null && return
    kill -0 "${pid[$1]}" 2>/dev/null || fail "node $1 stopped at start"
    sleep 0.1
  done
  fail "node $1 did not answer within a minute"
}
for node in "${nodes[@]}"; do start "$node"; done
for node in "${nodes[@]}"; do up "$node"; done
cmp -s "$work/ca.1.pem" "$work/ca.2.pem" && cmp -s "$work/ca.1.pem" "$work/ca.3.pem" || fail "the nodes have made different authorities"
token=$(sed -n 's/^admin token: //p' "$work"/node?.log)
[ "$(wc -w <<<"$token")" -eq 1 ] || fail "one admin token was to be printed, not: $token"
ok "three nodes that begin together over an empty database make one authority and one admin token"

# --- devices live with all of them -------------------------------------------------------------------------------------------------
everywhere=()
for node in "${nodes[@]}"; do everywhere+=(--server "http://127.0.0.1:$(port "$node")"); done
"$work/device" "${everywhere[@]}" --challenge "$challenge" --admin-token "$token" --count "$count" --parallel 12 \
  --seconds "$seconds" --patience 60 --state "$work/state" >"$work/device.log" 2>&1 &
lives=$!
# Every node is asked for the list, one after the other: so that what is compared came in this order.
mkdir "$work/crl"
(
  while :; do
    for node in "${nodes[@]}"; do
      part=$work/crl/part
      ! curl -fsS --max-time 10 "http://127.0.0.1:$(port "$node")/crl" -o "$part" 2>/dev/null || mv "$part" "$work/crl/$(date +%s%N).$node.der"
    done
    sleep 0.1
  done
) &
lists=$!

sleep $((seconds / 4))
killed=2
kill -9 "${pid[$killed]}"; wait "${pid[$killed]}" 2>/dev/null || true
sleep $((seconds / 4))
kill -0 "$lives" 2>/dev/null || fail "the devices were through before the database was restarted"
postgres restart -m immediate >/dev/null
sleep $((seconds / 4))
start $killed
up $killed
code=0
wait "$lives" || code=$?
lives=
tail -n 20 "$work/device.log"
[ $code -eq 0 ] || fail "not everything held for the devices (exit code $code)"
kill "$lists"; wait "$lists" 2>/dev/null || true
lists=
for node in 1 3; do kill -0 "${pid[$node]}" || fail "node $node has stopped"; done
ok "$count devices that talk to whichever node lived through the death of one and of the database"

# --- and now the books -----------------------------------------------------------------------------------------------------------
sql "SELECT json_build_array(kind, key, revision, body) FROM record" >"$work/records"
sql "SELECT json_build_array(kind, key, body) FROM event ORDER BY number" >"$work/events"
curl -fsS -H "Authorization: Bearer $token" "http://127.0.0.1:$(port 3)/admin/certificates" -o "$work/export.json"
python3 tests/real/books.py "$work/records" "$work/events" "$work/state" || fail "the books do not add up"
python3 - "$work/records" "$work/export.json" <<'PYTHON' || fail "the server's own list is another than what is stored"
import json, sys

stored = sorted(key for kind, key, _, _ in map(json.loads, open(sys.argv[1])) if kind == "certificate")
assert stored == sorted(certificate["serial"] for certificate in json.load(open(sys.argv[2])))
PYTHON
ok "no serial number twice, every certificate in the store, every command answered once, every revision the number of its events"

previous=0 number=0 last= by=
for list in "$work"/crl/*.der; do
  openssl crl -inform DER -in "$list" -CAfile "$work/ca.1.pem" -noout 2>&1 | grep -q "verify OK" || fail "OpenSSL does not believe $list"
  this=$((16#$(openssl crl -inform DER -in "$list" -noout -crlnumber | sed 's/.*=0x//; s/.*=//')))
  [ "$this" -ge "$previous" ] || fail "the CRL number fell from $previous to $this"
  if [ "$this" -eq "$previous" ]; then cmp -s "$list" "$last" || fail "two lists have the number $this"; else number=$((number + 1)); fi
  previous=$this last=$list by=$by\ ${list: -5:1}
done
[ "$number" -ge 3 ] || fail "there are too few lists to compare"
for node in "${nodes[@]}"; do grep -q "$node" <<<"$by" || fail "node $node has given no list"; done
ok "of $(wc -w <<<"$by") revocation lists from three nodes, $number different: the numbers never fall, and one number is one list"

# --- a database that may not be written, and one that is away ------------------------------------------------------------------------
queue() { # NODE: queues a command for a device, and prints the status
  curl -sS --max-time 30 -o "$work/answer" -w '%{http_code}' -H "Authorization: Bearer $token" --data '{"RequestType": "DeviceInformation"}' \
    "http://127.0.0.1:$(port "$1")/admin/enrollments/$(ls "$work/state" | head -n 1)/commands"
}
[ "$(queue 1)" = 200 ] || fail "a command cannot be queued: $(cat "$work/answer")"
sql "ALTER DATABASE mdm SET default_transaction_read_only = on" postgres
postgres restart -m fast >/dev/null
[ "$(queue 1)" = 503 ] || fail "a database that may not be written is answered with $(cat "$work/answer")"
grep -q "read-only transaction" "$work/node1.log" || fail "the log does not say that the database may not be written"
curl -fsS --max-time 10 "http://127.0.0.1:$(port 1)/ca.pem" -o "$work/ca.pem" || fail "what is only read is not served any more"
sql "ALTER DATABASE mdm RESET default_transaction_read_only" postgres
postgres stop -m fast >/dev/null
[ "$(queue 1)" = 503 ] || fail "a database that is away is answered with $(cat "$work/answer")"
grep -q "database: error connecting to server" "$work/node1.log" || fail "the log does not say that the database is away"
postgres start >/dev/null
for node in "${nodes[@]}"; do [ "$(queue "$node")" = 200 ] || fail "node $node does not come back: $(cat "$work/answer")"; done
ok "read-only and away: 503, a line in the log, and all three nodes go on when the database is back"

refused() { # URL WHAT-IS-SAID
  local said code=0
  said=$(timeout 20 "$work/server" --listen 127.0.0.1:0 --database "$1" --challenge x 2>&1) || code=$?
  [ $code -eq 1 ] && grep -q "$2" <<<"$said" || fail "$1: exit code $code, $said"
}
refused "$database?sslmode=require" "without TLS"
refused "mysql://root@127.0.0.1/mdm" "begins with postgres://"
refused "postgres://mdm@127.0.0.1:$base/none" 'database "none" does not exist'
ok "addresses that cannot be served are refused, and it is said why"

for node in "${nodes[@]}"; do kill -TERM "${pid[$node]}"; wait "${pid[$node]}" || fail "SIGTERM did not stop node $node cleanly"; done
pid=()
ok "SIGTERM stops every node cleanly"

# --- what it costs -----------------------------------------------------------------------------------------------------------------
"$work/scale" --enrollments 300 --database "postgres://mdm@127.0.0.1:$base/scale" || fail "the simulation did not come to its end"
ok "the simulation of scale, in memory and over PostgreSQL, with the same outcome"
