#!/usr/bin/env bash
# The example server as a host: the authority's whole life over HTTP, judged by OpenSSL and GnuTLS; and what happens to it when the disk
# is full, the database cannot be written, clients are slow, bodies are huge, and it is stopped in the middle of a request.
#
# Needs: a release build of the example `server` (or the folder MDM_CORE_EXAMPLES); openssl, gnutls-bin, curl, python3, scep.
set -euo pipefail
cd "$(dirname "$0")/../.."
server=${MDM_CORE_EXAMPLES:-$PWD/${CARGO_TARGET_DIR:-target}/release/examples}/server
work=$(mktemp -d)
port=$((20000 + RANDOM % 20000))
url=http://127.0.0.1:$port
pid=

finish() {
  code=$?
  [ -z "$pid" ] || { kill -9 "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; } || true
  if [ $code -ne 0 ]; then echo "--- server log"; tail -n 40 "$work/server.log" || true; fi
  rm -rf "$work"
  exit $code
}
trap finish EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
ok() { echo "ok: $*"; }
start() { # FOLDER [OPTION...]
  local folder=$1; shift
  "$server" --listen "127.0.0.1:$port" --data "$work/$folder" --challenge secret "$@" >>"$work/server.log" 2>&1 &
  pid=$!
  for _ in $(seq 1200); do
    curl -fsS "$url/ca.pem" -o "$work/ca.pem" 2>/dev/null && return
    kill -0 "$pid" 2>/dev/null || fail "the server stopped at start"
    sleep 0.1
  done
  fail "the server did not answer within two minutes"
}
stop() { kill -TERM "$pid"; wait "$pid" || fail "SIGTERM did not stop the server cleanly"; pid=; }
token() { sed -n 's/^admin token: //p' "$work/server.log" | tail -n 1; }
admin() { curl -fsS -H "Authorization: Bearer $token" "$@"; }
json() { python3 -c "import json,sys; v=json.load(sys.stdin); print($1)"; }
serial() { openssl x509 -in "$1" -noout -serial | cut -d= -f2 | tr A-F a-f; }
enrol() { # NAME
  mkdir -p "$work/$1"
  timeout 60 scepclient -private-key "$work/$1/key" -certificate "$work/$1/cert.pem" -server-url "$url/scep/legacy" -challenge secret -cn "$1" >"$work/$1/log" 2>&1 ||
    { cat "$work/$1/log"; fail "$1 got no certificate"; }
}

start data
token=$(token)
enrol good; enrol lost

# --- OCSP, by POST and by GET ------------------------------------------------------------------------------------------------------
ocsp() { # CERTIFICATE [OPTION...]: what OpenSSL makes of the answer
  local certificate=$1; shift
  openssl ocsp -issuer "$work/ca.pem" -cert "$certificate" -url "$url/ocsp" -CAfile "$work/ca.pem" "$@" 2>&1
}
ocsp "$work/good/cert.pem" | grep -q "Response verify OK" || fail "OpenSSL does not believe the OCSP answer"
ocsp "$work/good/cert.pem" | grep -q "cert.pem: good" || fail "a good certificate is not good"
openssl ocsp -sha256 -issuer "$work/ca.pem" -cert "$work/good/cert.pem" -url "$url/ocsp" -CAfile "$work/ca.pem" 2>&1 | grep -q "cert.pem: good" || fail "a request with SHA-256 was not understood"
admin -X POST "$url/admin/certificates/$(serial "$work/lost/cert.pem")/revoke" -d '{"reason":"keyCompromise"}' >/dev/null
grep -q "^audit: certificate $(serial "$work/lost/cert.pem") of .* revoked: KeyCompromise" "$work/server.log" || fail "the revocation is not in the log"
ocsp "$work/lost/cert.pem" | grep -q "revoked" || fail "a revoked certificate is not revoked"
ocsp "$work/lost/cert.pem" | grep -qi "keyCompromise" || fail "the reason is missing"
openssl ocsp -issuer "$work/ca.pem" -serial 0x4242 -url "$url/ocsp" -CAfile "$work/ca.pem" 2>&1 | grep -q "0x4242: unknown" || fail "a serial that was never issued is not unknown"
openssl ocsp -issuer "$work/ca.pem" -cert "$work/good/cert.pem" -reqout "$work/request.der" -no_nonce >/dev/null 2>&1
get=$(python3 -c 'import base64,sys,urllib.parse; print(urllib.parse.quote(base64.b64encode(open(sys.argv[1],"rb").read()).decode(), safe=""))' "$work/request.der")
curl -fsS "$url/ocsp/$get" -o "$work/response.der"
ocsptool --verify-response --infile "$work/response.der" --load-trust "$work/ca.pem" >/dev/null 2>&1 || fail "GnuTLS does not believe the OCSP answer to GET"
[ "$(openssl x509 -in "$work/good/cert.pem" -noout -ocsp_uri)" = "$url/ocsp" ] || fail "the certificate does not say where to ask"
admin -X POST "$url/admin/certificates/$(serial "$work/good/cert.pem")/hold" >/dev/null
ocsp "$work/good/cert.pem" | grep -q "revoked" || fail "a certificate on hold is good"
admin -X POST "$url/admin/certificates/$(serial "$work/good/cert.pem")/release" >/dev/null
ocsp "$work/good/cert.pem" | grep -q "cert.pem: good" || fail "a released certificate is not good"
ok "OCSP by POST and GET: good, revoked with its reason, held and released, unknown; every revocation is an audit line"

# --- lists --------------------------------------------------------------------------------------------------------------------------
enrol '=1+2'
for format in csv txt xml; do admin "$url/admin/certificates?format=$format" -o "$work/list.$format"; done
python3 - "$work" <<'PY' || fail "the exports are not what they should be"
import csv, sys, xml.etree.ElementTree as tree
work = sys.argv[1]
rows = list(csv.reader(open(work + "/list.csv", encoding="utf-8-sig", newline="")))
text = [line.split("\t") for line in open(work + "/list.txt", encoding="utf-8").read().splitlines()]
assert len(rows) == len(text) == 4, rows
assert {row[8] for row in rows[1:]} == {"Issued", "Revoked"}, rows
assert not any(cell[:1] in "=+-@" for row in rows for cell in row if cell), rows
assert len(list(tree.parse(work + "/list.xml").getroot())) == 3
PY
[ "$(admin "$url/admin/certificates?state=inactive" | json 'len(v)')" = 1 ] || fail "the list of inactive certificates"
[ "$(admin "$url/admin/certificates?state=expiring" | json 'len(v)')" = 0 ] || fail "the list of expiring certificates"
[ "$(admin "$url/admin/certificates/counts" | json '(v["active"],v["inactive"],v["revoked"],v["all"])')" = "(2, 1, 1, 3)" ] || fail "the counts"
ok "lists as CSV, text and XML, by state; counts"

# --- a certificate for a web server (J11) ------------------------------------------------------------------------------------------------
openssl req -new -newkey rsa:2048 -nodes -keyout "$work/web.key" -subj "/CN=mdm.example.com" -addext "subjectAltName=DNS:mdm.example.com" -out "$work/web.csr" 2>/dev/null
admin -X POST "$url/admin/authority/certificates?profile=web-server&name=mdm.example.com" --data-binary @"$work/web.csr" -o "$work/web.pem"
openssl verify -x509_strict -purpose sslserver -verify_hostname mdm.example.com -CAfile "$work/ca.pem" "$work/web.pem" >/dev/null || fail "OpenSSL does not believe the web server's certificate"
ok "a certificate for a web server's request"

# --- renewal of the authority: with the same key, and with a new one ------------------------------------------------------------------------
cp "$work/ca.pem" "$work/ca-1.pem"
admin -X POST "$url/admin/authority/renew" -d '{}' -o "$work/renewed.json"
[ "$(json 'len(v["lookAt"])' <"$work/renewed.json")" = 7 ] || fail "an operator is not told what to look at"
grep -q "^notice: the authority was renewed" "$work/server.log" || fail "no notice of the renewal"
curl -fsS "$url/ca.pem" -o "$work/ca.pem"
cmp -s "$work/ca.pem" "$work/ca-1.pem" && fail "the authority has the old certificate"
curl -fsS "$url/ca/1.pem" | cmp -s - "$work/ca-1.pem" || fail "the old certificate is not to be had"
openssl verify -x509_strict -CAfile "$work/ca.pem" "$work/good/cert.pem" >/dev/null || fail "a certificate from before is not good under the renewed authority"
ocsp "$work/good/cert.pem" | grep -q "cert.pem: good" || fail "OCSP after the renewal"
admin -X POST "$url/admin/authority/renew" -d '{"newKey":true}' >/dev/null
curl -fsS "$url/ca.pem" -o "$work/ca-3.pem"
enrol under-the-new-key
openssl verify -x509_strict -CAfile "$work/ca-3.pem" "$work/under-the-new-key/cert.pem" >/dev/null || fail "a certificate under the new key"
openssl ocsp -issuer "$work/ca-3.pem" -cert "$work/under-the-new-key/cert.pem" -url "$url/ocsp" -CAfile "$work/ca-3.pem" 2>&1 | grep -q "cert.pem: good" || fail "OCSP under the new key"
ocsp "$work/lost/cert.pem" | grep -q "revoked" || fail "the old key does not answer for what it issued"
curl -fsS "$url/crl/1" | openssl crl -inform DER -CAfile "$work/ca-1.pem" -noout 2>&1 | grep -q "verify OK" || fail "the list of the old key"
curl -fsS "$url/crl" | openssl crl -inform DER -CAfile "$work/ca-3.pem" -noout 2>&1 | grep -q "verify OK" || fail "the list of the new key"
ok "the authority is renewed with the same key and with a new one; each key answers for what it issued"

# --- a certificate that is made ahead, and announced (RFC 8894 section 4.7) -----------------------------------------------------------------
cp "$work/ca-3.pem" "$work/ca.pem"
offers_next() { curl -fsS "$url/scep?operation=GetCACaps" | grep -x GetNextCACert >/dev/null; }
next_status() { curl -sS -o "$work/next.der" -D "$work/next.headers" -w '%{http_code}' "$url/scep?operation=GetNextCACert"; }
! offers_next || fail "GetNextCACert is offered and there is no next certificate"
[ "$(next_status)" = 404 ] || fail "GetNextCACert is answered and there is no next certificate"
admin -X POST "$url/admin/authority/renew" -d '{"newKey":true,"ahead":true}' -o "$work/ahead.json"
[ "$(json '(v["renewal"]["state"], v["next"]["generation"])' <"$work/ahead.json")" = "('Ahead', 4)" ] || { cat "$work/ahead.json"; fail "no next certificate"; }
offers_next || fail "GetNextCACert is not offered"
[ "$(next_status)" = 200 ] || fail "GetNextCACert is not answered"
grep -qi '^content-type: application/x-x509-next-ca-cert' "$work/next.headers" || fail "the media type of GetNextCACert"
openssl cms -verify -inform DER -in "$work/next.der" -CAfile "$work/ca.pem" -purpose any -out "$work/next-certificates.der" 2>"$work/cms.txt" || { cat "$work/cms.txt"; fail "OpenSSL does not believe the answer to GetNextCACert"; }
openssl pkcs7 -inform DER -in "$work/next-certificates.der" -print_certs -out "$work/next.pem"
awk -v out="$work/next-" '/BEGIN CERTIFICATE/ { n++ } n { print >(out n ".pem") }' "$work/next.pem"
[ "$(grep -c BEGIN "$work/next.pem")" = 3 ] || fail "not a signing RA, an encryption RA and a CA"
for n in 1 2; do openssl verify -x509_strict -CAfile "$work/next-3.pem" "$work/next-$n.pem" >/dev/null || fail "OpenSSL does not believe the next RA certificate $n"; done
openssl x509 -in "$work/next-1.pem" -noout -ext keyUsage | grep -q "Digital Signature$" || fail "the first is not the RA that signs"
openssl x509 -in "$work/next-2.pem" -noout -ext keyUsage | grep -q "Key Encipherment$" || fail "the second is not the RA that decrypts"
kill -9 "$pid"; wait "$pid" 2>/dev/null || true
start data
cmp -s "$work/ca.pem" "$work/ca-3.pem" || fail "the next certificate is in use before its time"
enrol before-the-next
openssl verify -x509_strict -CAfile "$work/ca-3.pem" "$work/before-the-next/cert.pem" >/dev/null || fail "a certificate beside the next authority"
admin -X POST "$url/admin/authority/succeed" -o "$work/succeeded.json"
[ "$(json 'len(v["lookAt"])' <"$work/succeeded.json")" = 7 ] || fail "an operator is not told what to look at"
curl -fsS "$url/ca.pem" -o "$work/ca-4.pem"
[ "$(openssl x509 -in "$work/ca-4.pem" -noout -fingerprint)" = "$(openssl x509 -in "$work/next-3.pem" -noout -fingerprint)" ] || fail "another certificate than was announced is in use"
! offers_next || fail "GetNextCACert is offered still"
enrol after-the-next
openssl verify -x509_strict -CAfile "$work/ca-4.pem" "$work/after-the-next/cert.pem" >/dev/null || fail "a certificate under the next authority"
admin -X POST "$url/admin/authority/renew" -d '{"ahead":true}' >/dev/null
admin -X POST "$url/admin/authority/abandon" >/dev/null
grep -q "^notice: renewing the authority failed" "$work/server.log" || fail "no notice of the renewal that was given up"
[ "$(curl -s -o /dev/null -w '%{http_code}' -X POST -H "Authorization: Bearer $token" "$url/admin/authority/renew" -d '{}')" = 409 ] || fail "another renewal began before an operator acknowledged"
admin -X POST "$url/admin/authority/acknowledge" >/dev/null
cp "$work/ca-4.pem" "$work/ca-3.pem"
ok "the next certificate: announced under the present one's signature, SIGKILL, taken into use; another one given up, told, and acknowledged"

# --- backup and restore -------------------------------------------------------------------------------------------------------------------
admin -X POST "$url/admin/authority/backup" -d '{"password":"correct horse battery"}' -o "$work/backup.p12"
openssl pkcs12 -in "$work/backup.p12" -passin "pass:correct horse battery" -nokeys -info >"$work/backup.txt" 2>&1 &&
  grep -q "PBKDF2, AES-256-CBC, Iteration 600000" "$work/backup.txt" || fail "OpenSSL does not read the backup"
number() { openssl crl -inform DER -in "$1" -noout -crlnumber | sed 's/.*=0x//; s/.*=//'; }
curl -fsS "$url/crl" -o "$work/before.der"
stop
printf 'correct horse battery' >"$work/password"
start restored --restore "$work/backup.p12" --restore-password-file "$work/password"
token=$(token)
cmp -s "$work/ca.pem" "$work/ca-3.pem" || fail "the restored authority has another certificate"
curl -fsS "$url/crl" -o "$work/after.der"
[ $((16#$(number "$work/after.der"))) -gt $((16#$(number "$work/before.der"))) ] || fail "the restored authority went back with its list numbers"
enrol after-restore
openssl verify -x509_strict -CAfile "$work/ca-3.pem" "$work/after-restore/cert.pem" >/dev/null || fail "the restored authority issues nothing good"
stop
printf 'wrong' >"$work/password"
"$server" --listen "127.0.0.1:$port" --data "$work/wrong" --challenge secret --restore "$work/backup.p12" --restore-password-file "$work/password" >"$work/wrong.log" 2>&1 && fail "a wrong password restored"
grep -q "^error: the backup cannot be restored" "$work/wrong.log" || { cat "$work/wrong.log"; fail "a wrong password is not told"; }
ok "backed up under a password that OpenSSL needs too, and restored: the numbers of lists rise, a wrong password is told"

# --- years go by: notices, the list of what expires, an authority that has ended ------------------------------------------------------------
start years
token=$(token)
enrol dated
end=$(date -d "$(openssl x509 -in "$work/ca.pem" -noout -enddate | cut -d= -f2)" +%s)
[ "$(admin "$url/admin/authority" | json 'v["noticeDays"]')" = 360 ] || fail "the end is not told 360 days before"
stop
: >"$work/server.log"
travel() { # SECONDS SINCE 1970: the server begins there; its log is of this time alone
  [ -z "$pid" ] || stop
  : >"$work/server.log"
  start years --clock-offset $(($1 - $(date +%s)))
  # What is done by the clock is done at the start, beside everything else.
  sleep 1
}
notices() { grep -c "^notice: the authority's certificate $1" "$work/server.log" || true; }
travel $(($(date +%s) + 340 * 86400))
[ "$(admin "$url/admin/certificates?state=expiring" | json '[c["subject"].split(",")[0] for c in v]')" = "['CN=dated']" ] || fail "the list of what expires"
[ "$(admin "$url/admin/certificates?state=expiring&days=5" | json 'len(v)')" = 0 ] || fail "the days of the list of what expires"
[ "$(admin "$url/admin/certificates/counts" | json '(v["expiring"],v["active"])')" = "(1, 1)" ] || fail "the counts of what expires"
grep -q "^notice: the push certificate of example ends at" "$work/server.log" || fail "no notice of the push certificate's end"
travel $((end - 361 * 86400))
[ "$(notices 1)" = 0 ] || fail "a notice before its time"
travel $((end - 359 * 86400))
[ "$(notices "1 expires at")" = 1 ] || fail "no notice 360 days before the end"
travel $((end - 358 * 86400))
[ "$(notices 1)" = 0 ] || fail "a notice was told twice"
travel $((end - end % 86400 / 2))
[ "$(notices "1 expires today")" = 1 ] || fail "no notice on the day"
travel $((end + 3600))
[ "$(notices "1 expired at")" = 1 ] || fail "no notice after the end"
mkdir -p "$work/too-late"
if timeout 20 scepclient -private-key "$work/too-late/key" -certificate "$work/too-late/cert.pem" -server-url "$url/scep/legacy" -challenge secret -cn too-late >"$work/too-late/log" 2>&1 &&
  [ -s "$work/too-late/cert.pem" ]; then fail "an authority that has ended issues"; fi
grep -q "^scep: transaction .*expired" "$work/server.log" || { cat "$work/too-late/log"; fail "the log does not say why"; }
admin -X POST "$url/admin/authority/renew" -d '{}' >/dev/null
[ "$(grep -c "^notice: the authority was renewed" "$work/server.log")" = 1 ] || fail "no notice of the renewal"
curl -fsS "$url/ca.pem" -o "$work/ca-years.pem"
enrol in-time
openssl verify -x509_strict -attime $((end + 3600)) -CAfile "$work/ca-years.pem" "$work/in-time/cert.pem" >/dev/null || fail "no certificate under the renewed authority"
admin -X PUT "$url/admin/authority/settings" -d '{"noticeDays":3700}' >/dev/null
[ "$(notices "2 expires at")" = 1 ] || fail "a changed setting is not followed"
stop
ok "notices 360 days before the end or as is set, on the day, after it, once each; what has ended issues nothing until it is renewed"

# --- what strangers send ---------------------------------------------------------------------------------------------------------------------
start strangers
token=$(token)
memory() { awk '/VmHWM/ { print $2 }' "/proc/$pid/status"; }
head -c 10000000 /dev/zero >"$work/huge"
status() { curl -s -o /dev/null -w '%{http_code}' "$@" || true; }
[ "$(status -X POST --data-binary @"$work/huge" "$url/scep?operation=PKIOperation")" = 413 ] || fail "10 MB were read at /scep"
[ "$(status -X POST -H 'Transfer-Encoding: chunked' --data-binary @"$work/huge" "$url/scep")" = 413 ] || fail "10 MB in chunks were read at /scep"
[ "$(status -X PUT --data-binary @"$work/huge" "$url/mdm")" = 413 ] || fail "10 MB were read at /mdm"
for path in "scep?operation=PKIOperation&message=%00" "scep?operation=Nothing" "scep" "ocsp/!!!" "t/nobody/scep?operation=GetCACaps" "admin/push" "ca/9.pem" "crl/9" "nothing"; do
  case $(status "$url/$path") in 4??|200) ;; *) fail "$path is not answered as it should be" ;; esac
done
[ "$(status -X POST --data-binary 'no SCEP' "$url/scep")" = 400 ] || fail "what is no SCEP is not 400"
python3 - "$port" <<'PY' || fail "the server does not serve beside slow clients and many connections"
import resource, socket, sys, time, urllib.request
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
address = ("127.0.0.1", int(sys.argv[1]))
wanted = min(3000, hard - 50)
held = []
for number in range(wanted):
    connection = socket.socket()
    connection.settimeout(2)
    try:
        connection.connect(address)
    except OSError:
        break
    # A third says nothing, a third begins a head, a third begins a body.
    connection.sendall([b"", b"GET /ca.pem HT", b"POST /scep HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\nabc"][number % 3])
    held.append(connection)
print(f"   {len(held)} connections held")
begun = time.time()
while True:
    try:
        assert urllib.request.urlopen(f"http://127.0.0.1:{address[1]}/ca.pem", timeout=10).status == 200
        break
    except OSError:
        if time.time() - begun > 90:
            raise
        time.sleep(1)
print(f"   served after {time.time() - begun:.1f} s beside them")
PY
[ "$(memory)" -lt 400000 ] || fail "$(memory) kB of memory at its peak"
ok "10 MB bodies, thousands of slow clients: still serving, $(memory) kB at the peak"

# --- SIGTERM finishes open requests ------------------------------------------------------------------------------------------------------------
python3 - "$port" "$pid" <<'PY' || fail "a request that was open at SIGTERM was not finished"
import os, signal, socket, sys, time
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
connection.sendall(b"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n0")
time.sleep(0.5)
os.kill(int(sys.argv[2]), signal.SIGTERM)
time.sleep(0.5)
connection.sendall(b"x")
assert connection.recv(100).startswith(b"HTTP/1.1 200"), "no answer"
PY
wait "$pid" || fail "SIGTERM did not stop the server cleanly"
pid=
ok "SIGTERM finishes the request that is open, and stops"

# --- a full disk ---------------------------------------------------------------------------------------------------------------------------------
start full --max-database 1
token=$(token)
enrol before-full
for n in $(seq 20); do
  printf '{"tenant":"full-%s","scep":{"challenge":{"kind":"static","secret":"%0100000d"}}}' "$n" 0 >"$work/filling"
  code=$(curl -s -o "$work/refused" -D "$work/headers" -w '%{http_code}' -X POST -H "Authorization: Bearer $token" "$url/admin/tenants" -d @"$work/filling")
  [ "$code" = 200 ] || break
done
[ "$code" = 503 ] || { cat "$work/refused"; fail "a full database answers $code"; }
grep -qi '^retry-after: ' "$work/headers" || fail "503 without Retry-After"
grep -q "full" "$work/server.log" || fail "the log does not say that the disk is full"
curl -fsS "$url/ca.pem" >/dev/null || fail "a full database is not read either"
admin "$url/admin/certificates" | grep -q "CN=before-full" || fail "what was stored before is lost"
kill -9 "$pid"; wait "$pid" 2>/dev/null || true
start full
enrol after-full
admin "$url/admin/certificates" | grep -q "CN=before-full" || fail "what was stored before is lost after the next start"
stop
python3 - "$work/full/mdm.sqlite" <<'PY' || fail "the database is damaged"
import sqlite3, sys
assert sqlite3.connect(sys.argv[1]).execute("PRAGMA integrity_check").fetchone() == ("ok",)
PY
ok "a full disk: 503 with Retry-After, reading goes on, nothing is lost, and with room it goes on"

# --- a database that cannot be written ------------------------------------------------------------------------------------------------------------
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
  cp -r "$work/full" "$work/locked"; chmod 755 "$work"; chmod -R a+rX,a-w "$work/locked"
  setpriv --reuid 65534 --clear-groups "$server" --listen "127.0.0.1:$port" --data "$work/locked" --challenge secret >"$work/locked.log" 2>&1 && fail "a database that cannot be written was opened"
  grep -q "^error: cannot open .*mdm.sqlite: " "$work/locked.log" || { cat "$work/locked.log"; fail "no clear error"; }
  cmp -s "$work/locked/mdm.sqlite" "$work/full/mdm.sqlite" || fail "the database was changed"
  ok "a database that cannot be written: $(head -n 1 "$work/locked.log" | sed 's|/tmp/[^ ]*/||')"
fi
echo "all held"
