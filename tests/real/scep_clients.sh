#!/usr/bin/env bash
# SCEP before others, in both roles.
#
#   the example `enroll` (this crate's client role) at micromdm's scepserver: what it needs is named with --peer, and not given unasked
#   the example `enroll` at the example server: POST, GET, a wrong fingerprint; hostile bytes
#   scepclient at the example server as a proxy before micromdm's scepserver: passing on, and asking in its own name
#   the example `enroll` at the example `kms_signer`: keys in another process
#   PyScep (a client from PyPI), where Python has it, at `kms_signer` and at the example server: an RA that signs, one that decrypts
#
# scepserver 2.1.0 listens on every interface; the script runs in a network namespace of its own, where that is the loopback alone.
#
# Needs: a release build of the examples `enroll`, `kms_signer` and `server` (or the folder MDM_CORE_EXAMPLES); scep, openssl, curl, iproute2, util-linux. PyScep is used when
# `$PYSCEP_PYTHON` (python3 when unset) can import it.
set -euo pipefail
if [ -z "${IN_OWN_NETWORK:-}" ]; then
  IN_OWN_NETWORK=1 exec unshare --net --map-root-user "$0" "$@"
fi
ip link set lo up
cd "$(dirname "$0")/../.."
examples=${MDM_CORE_EXAMPLES:-$PWD/${CARGO_TARGET_DIR:-target}/release/examples}
python=${PYSCEP_PYTHON:-python3}
work=$(mktemp -d)
challenge="correct horse $RANDOM"
pids=()

finish() {
  code=$?
  # Without its notice about each that was killed.
  [ ${#pids[@]} -eq 0 ] || { kill -9 "${pids[@]}" && wait; } 2>/dev/null || true
  if [ $code -ne 0 ]; then for log in "$work"/*.log; do echo "--- $log"; tail -n 20 "$log" || true; done; fi
  rm -rf "$work"
  exit $code
}
trap finish EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
ok() { echo "ok: $*"; }

answers() { # URL
  for _ in $(seq 100); do
    curl -fsS "$1" -o /dev/null 2>/dev/null && return
    sleep 0.1
  done
  fail "nobody answers at $1 within ten seconds"
}

sha256() { openssl x509 -in "$1" -outform DER | openssl dgst -sha256 -r | cut -d' ' -f1; }

# --- micromdm's server ------------------------------------------------------------------------------------------------------------
(cd "$work" && scepserver ca -init -keySize 2048 >/dev/null)
(cd "$work" && exec scepserver -depot depot -port 8081 -challenge "$challenge" -allowrenew 0) >"$work/scepserver.log" 2>&1 &
pids+=($!)
url=http://127.0.0.1:8081/scep
answers "$url?operation=GetCACaps"
fingerprint=$(sha256 "$work/depot/ca.pem")
enroll() { "$examples/enroll" --url "$url" --fingerprint "$fingerprint" --challenge "$challenge" --polls 2 --longest-wait 1 "$@"; }

if enroll --name strict --key "$work/s.key" --certificate "$work/s.pem" >"$work/strict.log" 2>&1; then fail "a CA whose key may not encrypt was encrypted to"; fi
grep -q "Peer::any_key_usage" "$work/strict.log" || { cat "$work/strict.log"; fail "the refusal does not name the tolerance"; }
[ ! -e "$work/s.pem" ] || fail "a certificate came out of a refusal"
ok "what micromdm's server does is refused until it is named: $(tail -n 1 "$work/strict.log")"

enroll --peer micromdm --name "device at micromdm" --key "$work/m.key" --certificate "$work/m.pem" --ca "$work/pinned.pem" >"$work/micromdm.log" 2>&1 ||
  { cat "$work/micromdm.log"; fail "no certificate from micromdm's server"; }
openssl verify -CAfile "$work/depot/ca.pem" "$work/m.pem" >/dev/null || fail "OpenSSL does not believe the certificate"
[ "$(openssl x509 -in "$work/m.pem" -noout -pubkey)" = "$(openssl pkey -in "$work/m.key" -pubout)" ] || fail "certificate and key do not match"
[ "$(sha256 "$work/pinned.pem")" = "$fingerprint" ] || fail "another certificate was pinned"
ok "micromdm's server, by its named policy: $(tail -n 1 "$work/micromdm.log")"

cp "$work/m.pem" "$work/m.first.pem"
enroll --peer micromdm --renew --name "device at micromdm" --key "$work/m.key" --certificate "$work/m.pem" >"$work/renew.log" 2>&1 ||
  { cat "$work/renew.log"; fail "no renewal at micromdm's server"; }
openssl verify -CAfile "$work/depot/ca.pem" "$work/m.pem" >/dev/null || fail "OpenSSL does not believe the renewed certificate"
! cmp -s "$work/m.pem" "$work/m.first.pem" || fail "the renewal is the old certificate"
ok "renewed at micromdm's server: $(tail -n 1 "$work/renew.log")"

if "$examples/enroll" --url "$url" --fingerprint "$fingerprint" --challenge wrong --peer micromdm --name stranger --key "$work/w.key" \
  --certificate "$work/w.pem" >"$work/wrong.log" 2>&1; then fail "a wrong challenge was accepted"; fi
grep -q "denied" "$work/wrong.log" || { cat "$work/wrong.log"; fail "the wrong challenge was not denied"; }
ok "a wrong challenge is denied by micromdm's server: $(tail -n 1 "$work/wrong.log")"

# --- the example server -----------------------------------------------------------------------------------------------------------
"$examples/server" --listen 127.0.0.1:8082 --data "$work/data" --challenge "$challenge" >"$work/server.log" 2>&1 &
server=$!
pids+=("$server")
answers http://127.0.0.1:8082/ca.pem
curl -fsS http://127.0.0.1:8082/ca.pem -o "$work/ca.pem"
url=http://127.0.0.1:8082/scep
fingerprint=$(sha256 "$work/ca.pem")
for way in "" --get; do
  name="device ${way:-post}"
  # shellcheck disable=SC2086
  enroll $way --name "${name// --/ }" --key "$work/e$way.key" --certificate "$work/e$way.pem" >"$work/enroll$way.log" 2>&1 ||
    { cat "$work/enroll$way.log"; fail "no certificate from the example server ($name)"; }
  openssl verify -x509_strict -CAfile "$work/ca.pem" "$work/e$way.pem" >/dev/null || fail "OpenSSL does not believe the certificate ($name)"
  ok "the example server, ${way:-by POST}: $(tail -n 1 "$work/enroll$way.log")"
done
enroll --renew --name "device post" --key "$work/e.key" --certificate "$work/e.pem" >"$work/again.log" 2>&1 || { cat "$work/again.log"; fail "no renewal"; }
ok "renewed at the example server: $(tail -n 1 "$work/again.log")"
if "$examples/enroll" --url "$url" --fingerprint "$(printf '%064d' 0)" --challenge "$challenge" --name other --key "$work/o.key" \
  --certificate "$work/o.pem" >"$work/other.log" 2>&1; then fail "another CA than the fingerprint's was believed"; fi
grep -q "fingerprint" "$work/other.log" || { cat "$work/other.log"; fail "the refusal does not name the fingerprint"; }
ok "a CA with another fingerprint is not spoken to"

# --- a proxy before micromdm's server ------------------------------------------------------------------------------------------------
token=$(sed -n 's/^admin token: //p' "$work/server.log" | head -n 1)
admin() { curl -fsS -H "Authorization: Bearer $token" "$@"; }
behind=http://127.0.0.1:8081/scep
admin -X POST http://127.0.0.1:8082/admin/tenants -d "{\"tenant\":\"passing\",\"scep\":{\"upstream\":{\"url\":\"$behind\",\"passThrough\":true}}}" >/dev/null
admin -X POST http://127.0.0.1:8082/admin/tenants -d "{\"tenant\":\"asking\",\"scep\":{\"challenge\":{\"kind\":\"static\",\"secret\":\"$challenge\"},
  \"upstream\":{\"url\":\"$behind\",\"fingerprint\":\"$(sha256 "$work/depot/ca.pem")\",\"legacy\":true}}}" >/dev/null
through() { # TENANT FOLDER CHALLENGE PATH
  mkdir -p "$work/$2"
  timeout 30 scepclient -private-key "$work/$2/key" -certificate "$work/$2/cert.pem" -server-url "http://127.0.0.1:8082/t/$1/$4" -challenge "$3" -cn "$2" >"$work/$2.log" 2>&1 &&
    [ -s "$work/$2/cert.pem" ]
}
for tenant in passing asking; do
  door=scep/legacy; [ $tenant = asking ] || door=scep
  through $tenant "$tenant-1" "$challenge" $door || { cat "$work/$tenant-1.log"; fail "no certificate through the proxy ($tenant)"; }
  openssl verify -CAfile "$work/depot/ca.pem" "$work/$tenant-1/cert.pem" >/dev/null || fail "the certificate is not of micromdm's server ($tenant)"
  ! through $tenant "$tenant-2" "wrong" $door || fail "a wrong challenge got through the proxy ($tenant)"
done
[ "$(curl -sS -o /dev/null -w '%{http_code}' "http://127.0.0.1:8082/t/passing/scep?operation=GetNextCACert")" = 400 ] || fail "GetNextCACert was passed on"
admin "http://127.0.0.1:8082/admin/certificates?tenant=asking" | grep -q "CN=asking-1" || fail "the proxy keeps no record of what it got"
ok "two proxies before micromdm's server: one passes on byte for byte, one opens, decides, and asks in its own name"

# --- hostile bytes: refused, and nothing piles up -----------------------------------------------------------------------------------
head -c 262144 /dev/zero >"$work/zeros"
tr '\0' 0 <"$work/zeros" >"$work/sequences"
tr '\0' '\200' <"$work/zeros" >"$work/indefinite"
paste -d '' <(head -c 100000 "$work/sequences" | fold -w 1) <(head -c 100000 "$work/indefinite" | LC_ALL=C fold -w 1) | tr -d '\n' >"$work/nested"
head -c 200000 /dev/urandom >"$work/random"
: >"$work/empty"
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$server/status"; }
status() { curl -sS -o /dev/null -w '%{http_code}' "$@"; }
throw() { # TIMES
  for _ in $(seq "$1"); do
    for file in zeros sequences indefinite nested random empty; do
      [ "$(status --data-binary @"$work/$file" -H 'Content-Type: application/x-pki-message' "$url?operation=PKIOperation")" = 400 ] ||
        fail "$file was not answered with 400"
    done
  done
}
for message in A '%' '%4' '%zz' '%FF' 'AA%3D%3DAA%3D%3D' '%3DAAA' 'A*BC'; do
  [ "$(status "$url?operation=PKIOperation&message=$message")" = 400 ] || fail "GET of $message was not answered with 400"
done
throw 5
before=$(resident)
throw 40
after=$(resident)
[ $((after - before)) -lt 16384 ] || fail "the server grew from $before to $after kB"
enroll --name "device behind the flood" --key "$work/f.key" --certificate "$work/f.pem" >"$work/flood.log" 2>&1 || fail "no certificate behind the flood"
ok "240 hostile bodies and 8 bad GETs are answered with 400, and the server is as large as before: $before kB, $after kB"

# --- a server whose keys are in another process, with a certificate for signing and one for encryption ------------------------------------
"$examples/kms_signer" --listen 127.0.0.1:8083 --challenge "$challenge" >"$work/kms.log" 2>&1 &
pids+=($!)
url=http://127.0.0.1:8083/scep
answers "$url?operation=GetCACaps"
sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p' "$work/kms.log" >"$work/kms-ca.pem"
fingerprint=$(sha256 "$work/kms-ca.pem")
enroll --name "device at the KMS" --key "$work/k.key" --certificate "$work/k.pem" --ca "$work/kms-pinned.pem" >"$work/kms-enroll.log" 2>&1 ||
  { cat "$work/kms-enroll.log"; fail "no certificate from the server whose keys are elsewhere"; }
openssl verify -x509_strict -CAfile "$work/kms-ca.pem" "$work/k.pem" >/dev/null || fail "OpenSSL does not believe the certificate"
[ "$(grep -c BEGIN "$work/kms-pinned.pem")" = 3 ] || fail "signing RA, encryption RA and CA were not all pinned"
ok "keys in another process, signing RA, encryption RA and CA: $(tail -n 1 "$work/kms-enroll.log")"
if "$examples/enroll" --url "$url" --fingerprint "$fingerprint" --challenge wrong --name stranger --key "$work/w.key" \
  --certificate "$work/w.pem" >"$work/wrong.log" 2>&1; then fail "a wrong challenge was accepted"; fi
ok "a wrong challenge is denied there: $(tail -n 1 "$work/wrong.log")"

# --- PyScep -----------------------------------------------------------------------------------------------------------------------
# Version 0.0.14 encrypts to an RA only when its certificate has basicConstraints and may do nothing but encipher keys, else to the CA: so it
# does not enrol where one RA certificate does both. It signs over SHA-512 where that is offered.
if ! "$python" -W ignore -c 'import scep.Client' 2>"$work/pyscep.log"; then
  echo "left out: PyScep does not import here: $(tail -n 1 "$work/pyscep.log")"
  exit 0
fi
pyscep() { # URL FOLDER: its certificate is FOLDER/p.pem
  mkdir -p "$2"
  "$python" -W ignore - "$1" "$challenge" "$2/p.pem" >"$work/pyscep.log" 2>&1 <<'PY' || { cat "$work/pyscep.log"; fail "PyScep did not enrol at $1"; }
import sys
from scep import Client

url, challenge, out = sys.argv[1:]
identity, identity_key = Client.SigningRequest.generate_self_signed(cn="PyScep", key_usage={"digital_signature", "key_encipherment"})
csr, key = Client.SigningRequest.generate_csr(cn="PyScep", key_usage={"digital_signature", "key_encipherment"}, password=challenge)
answer = Client.Client(url).enrol(csr=csr, identity=identity, identity_private_key=identity_key)
assert answer.status == Client.PKIStatus.SUCCESS, answer.fail_info
with open(out, "wb") as file:
    file.write(answer.certificates[0].to_pem())
PY
}
pyscep http://127.0.0.1:8083/scep "$work/at-kms"
openssl verify -x509_strict -CAfile "$work/kms-ca.pem" "$work/at-kms/p.pem" >/dev/null || fail "OpenSSL does not believe PyScep's certificate"
ok "PyScep enrolled at kms_signer: $(openssl x509 -in "$work/at-kms/p.pem" -noout -subject -serial | tr '\n' ' ')"
pyscep http://127.0.0.1:8082/scep "$work/at-server"
openssl verify -x509_strict -CAfile "$work/ca.pem" "$work/at-server/p.pem" >/dev/null || fail "OpenSSL does not believe PyScep's certificate"
ok "PyScep enrolled at the example server: $(openssl x509 -in "$work/at-server/p.pem" -noout -subject -serial | tr '\n' ' ')"
