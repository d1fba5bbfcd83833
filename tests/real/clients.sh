#!/usr/bin/env bash
# Two SCEP clients that nobody here wrote enrol at the example server over HTTP, and OpenSSL and GnuTLS judge what they got.
#
#   certmonger  AES and SHA-256, at /scep
#   scepclient  (micromdm) single DES and SHA-1, at /scep/legacy, where the server names that policy
#
# Needs: a release build of the example `server`; certmonger, scep, gnutls-bin, openssl, curl, dbus.
set -euo pipefail
cd "$(dirname "$0")/../.."
server=$PWD/${CARGO_TARGET_DIR:-target}/release/examples/server
work=$(mktemp -d)
port=$((20000 + RANDOM % 20000))
url=http://127.0.0.1:$port
challenge="correct horse $RANDOM"
pid=

finish() {
  code=$?
  [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || true
  if [ $code -ne 0 ]; then echo "--- server log"; tail -n 40 "$work/server.log" || true; fi
  rm -rf "$work"
  exit $code
}
trap finish EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
ok() { echo "ok: $*"; }

start() {
  "$server" --listen "127.0.0.1:$port" --data "$work/data" --challenge "$challenge" >>"$work/server.log" 2>&1 &
  pid=$!
  for _ in $(seq 100); do
    curl -fsS "$url/ca.pem" -o "$work/ca.pem" 2>/dev/null && return
    kill -0 "$pid" 2>/dev/null || fail "the server stopped at start"
    sleep 0.1
  done
  fail "the server did not answer within ten seconds"
}

admin() { curl -fsS -H "Authorization: Bearer $token" "$@"; }

start
token=$(sed -n 's/^admin token: //p' "$work/server.log" | head -n 1)
[ -n "$token" ] || fail "the server printed no admin token at first start"
openssl x509 -in "$work/ca.pem" -noout -subject -dates
openssl verify -x509_strict -CAfile "$work/ca.pem" "$work/ca.pem" >/dev/null || fail "OpenSSL does not believe the CA certificate"
ok "the CA certificate passes openssl verify -x509_strict"

# scepclient keeps its request beside its key and sends it again: every run gets a folder of its own.
mkdir "$work/m" "$work/w" "$work/s"

# --- micromdm's client, legacy path -----------------------------------------------------------------------------------------
scepclient -private-key "$work/m/key" -certificate "$work/m/cert.pem" -server-url "$url/scep/legacy" -challenge "$challenge" -cn "micromdm device" \
  >"$work/m.log" 2>&1 || { cat "$work/m.log"; fail "scepclient did not enrol"; }
openssl verify -x509_strict -CAfile "$work/ca.pem" "$work/m/cert.pem" >/dev/null || fail "OpenSSL does not believe scepclient's certificate"
[ "$(openssl x509 -in "$work/m/cert.pem" -noout -pubkey)" = "$(openssl rsa -in "$work/m/key" -pubout 2>/dev/null)" ] || fail "certificate and key do not match"
# The same request again gets the same certificate.
mv "$work/m/cert.pem" "$work/m/first.pem"
scepclient -private-key "$work/m/key" -certificate "$work/m/cert.pem" -server-url "$url/scep/legacy" -challenge "$challenge" -cn "micromdm device" \
  >"$work/m.log" 2>&1 || { cat "$work/m.log"; fail "scepclient did not enrol again"; }
cmp -s "$work/m/first.pem" "$work/m/cert.pem" || fail "the same request got another certificate"
ok "scepclient enrolled, and got the same certificate when it asked again: $(openssl x509 -in "$work/m/cert.pem" -noout -subject -serial | tr '\n' ' ')"

if scepclient -private-key "$work/w/key" -certificate "$work/w/cert.pem" -server-url "$url/scep/legacy" -challenge "wrong" -cn "stranger" >"$work/w.log" 2>&1 &&
  [ -s "$work/w/cert.pem" ]; then fail "a wrong challenge was accepted"; fi
ok "scepclient with a wrong challenge got no certificate"
if timeout 20 scepclient -private-key "$work/s/key" -certificate "$work/s/cert.pem" -server-url "$url/scep" -challenge "$challenge" -cn "downgrade" >"$work/s.log" 2>&1 &&
  [ -s "$work/s/cert.pem" ]; then fail "single DES was accepted at the strict path"; fi
ok "scepclient's single DES is refused at the strict path"

# --- certmonger, strict path ------------------------------------------------------------------------------------------------
# certmonger keeps its authorities and requests for good: the name is this run's own, and both are taken out again.
name=mdm-core-$port
cat >"$work/certmonger.sh" <<SH
set -eu
export HOME=$work/home
mkdir -p "\$HOME"
certmonger -s -n >$work/certmonger.log 2>&1 &
for _ in \$(seq 50); do getcert list-cas -s >/dev/null 2>&1 && break; sleep 0.1; done
getcert add-scep-ca -s -c $name -u $url/scep -N $work/ca.pem
getcert request -s -c $name -k $work/c.key -f $work/c.pem -N CN=certmonger-device -L "$challenge" -w -v
getcert list -s
getcert stop-tracking -s -k $work/c.key -f $work/c.pem
getcert remove-ca -s -c $name
SH
dbus-run-session -- bash "$work/certmonger.sh" >"$work/getcert.log" 2>&1 || { cat "$work/getcert.log" "$work/certmonger.log"; fail "certmonger did not enrol"; }
[ -s "$work/c.pem" ] || { cat "$work/getcert.log" "$work/certmonger.log"; fail "certmonger got no certificate"; }
openssl verify -x509_strict -CAfile "$work/ca.pem" "$work/c.pem" >/dev/null || fail "OpenSSL does not believe certmonger's certificate"
certtool --verify --load-ca-certificate "$work/ca.pem" --infile "$work/c.pem" >/dev/null || fail "GnuTLS does not believe certmonger's certificate"
ok "certmonger enrolled: $(openssl x509 -in "$work/c.pem" -noout -subject -serial | tr '\n' ' ')"

# --- managed: a device that is OpenSSL and curl checks in with scepclient's certificate ------------------------------------------
udid=00008150-000A1B2C3D4E5F60
plist() { printf '<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0"><dict>%s<key>UDID</key><string>%s</string></dict></plist>' "$1" "$udid"; }
pair() { printf '<key>%s</key><string>%s</string>' "$1" "$2"; }
say() { # CONTENT-TYPE BODY: prints the status; the answer is in $work/answer
  printf '%s' "$2" >"$work/body"
  openssl cms -sign -binary -in "$work/body" -signer "$work/m/cert.pem" -inkey "$work/m/key" -md sha256 -outform DER -out "$work/signature"
  curl -sS -o "$work/answer" -w '%{http_code}' -X PUT --data-binary @"$work/body" -H "Content-Type: $1" \
    -H "Mdm-Signature: $(openssl base64 -A -in "$work/signature")" "$url/mdm"
}
checkin=application/x-apple-aspen-mdm-checkin
report=application/x-apple-aspen-mdm
curl -fsS "$url/enroll" -o "$work/enroll.mobileconfig"
topic=$(grep -A1 '<key>Topic</key>' "$work/enroll.mobileconfig" | sed -n 's|.*<string>\(.*\)</string>.*|\1|p')
[ -n "$topic" ] || fail "the enrollment profile names no topic"
[ "$(say $checkin "$(plist "$(pair MessageType Authenticate)$(pair Topic "$topic")")")" = 200 ] || fail "Authenticate was refused"
magic='<key>Token</key><data>WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo=</data>'
[ "$(say $checkin "$(plist "$(pair MessageType TokenUpdate)$(pair Topic "$topic")$(pair PushMagic magic)$magic")")" = 200 ] || fail "TokenUpdate was refused"
uuid=$(admin -X POST "$url/admin/enrollments/$udid/commands" -d '{"RequestType":"DeviceInformation","Queries":["OSVersion"]}' | python3 -c 'import json,sys; print(json.load(sys.stdin)["CommandUUID"])')
[ "$(say $report "$(plist "$(pair Status Idle)")")" = 200 ] || fail "Idle was refused"
grep -q "<string>$uuid</string>" "$work/answer" || fail "the command was not handed out"
[ "$(say $report "$(plist "$(pair Status NotNow)$(pair CommandUUID "$uuid")")")" = 200 ] || fail "NotNow was refused"
[ ! -s "$work/answer" ] || fail "after NotNow the command came again at once"
say $report "$(plist "$(pair Status Idle)")" >/dev/null
grep -q "<string>$uuid</string>" "$work/answer" || fail "the command did not come again"
[ "$(say $report "$(plist "$(pair Status Acknowledged)$(pair CommandUUID "$uuid")")")" = 200 ] || fail "the answer was refused"
[ ! -s "$work/answer" ] || fail "there is more to do after the last answer"
admin "$url/admin/enrollments" | grep -q '"state":"Acknowledged"' || fail "the answer was not recorded"
printf 'x' >>"$work/body"
forged=$(curl -sS -o /dev/null -w '%{http_code}' -X PUT --data-binary @"$work/body" -H "Content-Type: $report" -H "Mdm-Signature: $(openssl base64 -A -in "$work/signature")" "$url/mdm")
[ "$forged" = 403 ] || fail "a body that was not signed was taken ($forged)"
ok "a device checks in, is given a command, says NotNow, gets it again and answers; another body under its signature is refused"

# --- revocation -------------------------------------------------------------------------------------------------------------
serial=$(openssl x509 -in "$work/m/cert.pem" -noout -serial | cut -d= -f2 | tr A-F a-f)
curl -fsS "$url/crl" -o "$work/crl-1.der"
openssl crl -inform DER -in "$work/crl-1.der" -out "$work/crl-1.pem"
openssl verify -crl_check -CAfile "$work/ca.pem" -CRLfile "$work/crl-1.pem" "$work/m/cert.pem" >/dev/null || fail "the certificate is not good before revocation"
admin -X POST "$url/admin/certificates/$serial/revoke" -H 'content-type: application/json' -d '{"reason":"keyCompromise"}' >/dev/null
curl -fsS "$url/crl" -o "$work/crl-2.der"
openssl crl -inform DER -in "$work/crl-2.der" -CAfile "$work/ca.pem" -noout 2>&1 | grep -q "verify OK" || fail "OpenSSL does not believe the CRL"
openssl crl -inform DER -in "$work/crl-2.der" -out "$work/crl-2.pem"
certtool --verify-crl --load-ca-certificate "$work/ca.pem" --infile "$work/crl-2.pem" >/dev/null || fail "GnuTLS does not believe the CRL"
if openssl verify -crl_check -CAfile "$work/ca.pem" -CRLfile "$work/crl-2.pem" "$work/m/cert.pem" >"$work/verify.log" 2>&1; then fail "the revoked certificate is still good"; fi
grep -q "certificate revoked" "$work/verify.log" || { cat "$work/verify.log"; fail "revoked for another reason"; }
number() { openssl crl -inform DER -in "$1" -noout -crlnumber | sed 's/.*=0x//; s/.*=//'; }
[ $((16#$(number "$work/crl-2.der"))) -gt $((16#$(number "$work/crl-1.der"))) ] || fail "CRL numbers do not rise"
openssl verify -crl_check -CAfile "$work/ca.pem" -CRLfile "$work/crl-2.pem" "$work/c.pem" >/dev/null || fail "the other certificate is no longer good"
[ "$(say $report "$(plist "$(pair Status Idle)")")" = 403 ] || fail "a revoked device was served"
ok "the revoked device is refused"
ok "the CRL revokes the one certificate and no other, numbers $(number "$work/crl-1.der") < $(number "$work/crl-2.der")"

# --- what was answered survives SIGKILL; SIGTERM stops cleanly ---------------------------------------------------------------
kill -9 "$pid"; wait "$pid" 2>/dev/null || true
start
admin "$url/admin/certificates" >"$work/certificates.json"
for file in m/cert.pem c.pem; do
  wanted=$(openssl x509 -in "$work/$file" -noout -serial | cut -d= -f2 | tr A-F a-f)
  grep -q "$wanted" "$work/certificates.json" || fail "the certificate $wanted was lost"
done
curl -fsS "$url/crl" -o "$work/crl-3.der"
[ $((16#$(number "$work/crl-3.der"))) -ge $((16#$(number "$work/crl-2.der"))) ] || fail "the CRL number went back after SIGKILL"
ok "both certificates and the revocation survive SIGKILL"
kill -TERM "$pid"
wait "$pid" || fail "SIGTERM did not stop the server cleanly"
pid=
ok "SIGTERM stops the server cleanly"
