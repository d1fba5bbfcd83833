#!/usr/bin/env bash
# Two SCEP clients that nobody here wrote enrol at the example server over HTTP, renew, are refused, wait for an operator, and go
# through a proxy; OpenSSL and GnuTLS judge what they got.
#
#   certmonger  AES and SHA-256, at /scep
#   scepclient  (micromdm) single DES and SHA-1, at /scep/legacy, where the server names that policy
#
# Needs: a release build of the example `server` (or the folder MDM_CORE_EXAMPLES); certmonger, scep, gnutls-bin, openssl, curl, dbus,
# python3.
set -euo pipefail
cd "$(dirname "$0")/../.."
server=${MDM_CORE_EXAMPLES:-$PWD/${CARGO_TARGET_DIR:-target}/release/examples}/server
work=$(mktemp -d)
port=$((20000 + RANDOM % 20000))
url=http://127.0.0.1:$port
challenge="correct horse $RANDOM"
pid=
others=()

finish() {
  code=$?
  for process in $pid "${others[@]}"; do kill -9 "$process" 2>/dev/null && wait "$process" 2>/dev/null || true; done
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

# It renews with the certificate it has, without the challenge.
mkdir "$work/r"
scep_legacy() { # FOLDER CHALLENGE NAME [PATH]: exit status of the client; its log in FOLDER/log
  rm -f "$1/csr.pem"
  timeout 60 scepclient -private-key "$1/key" -certificate "$1/cert.pem" -server-url "$url${4:-/scep/legacy}" -challenge "$2" -cn "$3" >"$1/log" 2>&1
}
scep_legacy "$work/r" "$challenge" "renewing" || { cat "$work/r/log"; fail "scepclient did not enrol"; }
cp "$work/r/cert.pem" "$work/r/old.pem"
scep_legacy "$work/r" "" "renewing" || { cat "$work/r/log"; fail "scepclient did not renew"; }
old=$(openssl x509 -in "$work/r/old.pem" -noout -serial | cut -d= -f2 | tr A-F a-f)
cmp -s "$work/r/old.pem" "$work/r/cert.pem" && fail "scepclient renewed and has the old certificate"
grep -q "which renews $old" "$work/server.log" || fail "the server did not take it for a renewal"
openssl verify -x509_strict -CAfile "$work/ca.pem" "$work/r/cert.pem" >/dev/null || fail "OpenSSL does not believe the renewed certificate"
ok "scepclient renewed with its certificate and no challenge"
admin -X POST "$url/admin/certificates/$(openssl x509 -in "$work/r/cert.pem" -noout -serial | cut -d= -f2)/revoke" >/dev/null
cp "$work/r/cert.pem" "$work/r/revoked.pem"
if scep_legacy "$work/r" "" "renewing" && ! cmp -s "$work/r/cert.pem" "$work/r/revoked.pem"; then fail "a revoked certificate was renewed"; fi
ok "a revoked certificate renews nothing"

# One-time and bound challenges, issued by an operator.
challenge_of() { admin -X POST "$url/admin/tenants/example/challenges" -d "$1" | python3 -c 'import json,sys; print(json.load(sys.stdin)["challenge"])'; }
mkdir "$work/o" "$work/o2" "$work/b" "$work/b2"
once=$(challenge_of '{"kind":"one-time"}')
scep_legacy "$work/o" "$once" "once" || { cat "$work/o/log"; fail "a one-time challenge was refused"; }
if scep_legacy "$work/o2" "$once" "twice" && [ -s "$work/o2/cert.pem" ]; then fail "a one-time challenge was good twice"; fi
bound=$(challenge_of '{"kind":"bound","commonName":"for me"}')
if scep_legacy "$work/b2" "$bound" "not me" && [ -s "$work/b2/cert.pem" ]; then fail "a challenge for one name was good for another"; fi
scep_legacy "$work/b" "$bound" "for me" || { cat "$work/b/log"; fail "a bound challenge was refused"; }
ok "a one-time challenge is good once, a bound one for its name"

# Held for an operator: scepclient sends its request again until it is decided.
admin -X POST "$url/admin/tenants" -d '{"tenant":"held","scep":{"challenge":{"kind":"static","secret":"by hand"},"approval":"manual","emptyContent":true}}' >/dev/null
held() { admin "$url/admin/held" | python3 -c 'import json,sys; print([h["id"] for h in json.load(sys.stdin) if h["subject"].startswith(sys.argv[1]) and h["state"]=="Pending"][0])' "$1" 2>/dev/null; }
wait_held() { for _ in $(seq 100); do held "$1" >/dev/null && break; sleep 0.1; done; held "$1" || fail "no request of $1 waits"; }
mkdir "$work/p" "$work/d"
scep_legacy "$work/p" "by hand" "granted by hand" /t/held/scep/legacy &
waiting=$!
admin -X POST "$url/admin/held/$(wait_held "CN=granted by hand")/grant" >/dev/null
wait $waiting || { cat "$work/p/log"; fail "scepclient did not get what the operator granted"; }
openssl verify -x509_strict -CAfile "$work/ca.pem" "$work/p/cert.pem" >/dev/null || fail "no certificate after the operator granted it"
scep_legacy "$work/d" "by hand" "denied by hand" /t/held/scep/legacy &
waiting=$!
admin -X POST "$url/admin/held/$(wait_held "CN=denied by hand")/deny" >/dev/null
wait $waiting && [ -s "$work/d/cert.pem" ] && fail "scepclient got what the operator denied"
ok "scepclient waits for an operator: granted, and denied"

# A proxy in front of another server: passing on, and asking in its own name.
"$server" --listen "127.0.0.1:$((port + 2))" --data "$work/behind" --challenge "behind" >"$work/behind.log" 2>&1 &
others+=($!)
behind=http://127.0.0.1:$((port + 2))
for _ in $(seq 100); do curl -fsS "$behind/ca.pem" -o "$work/behind.pem" 2>/dev/null && break; sleep 0.1; done
fingerprint=$(openssl x509 -in "$work/behind.pem" -noout -fingerprint -sha256 | cut -d= -f2)
admin -X POST "$url/admin/tenants" -d "{\"tenant\":\"passing\",\"scep\":{\"upstream\":{\"url\":\"$behind/scep/legacy\",\"passThrough\":true}}}" >/dev/null
admin -X POST "$url/admin/tenants" -d "{\"tenant\":\"asking\",\"scep\":{\"challenge\":{\"kind\":\"static\",\"secret\":\"behind\"},\"upstream\":{\"url\":\"$behind/scep\",\"fingerprint\":\"$fingerprint\"}}}" >/dev/null
mkdir "$work/x" "$work/y" "$work/z"
scep_legacy "$work/x" "behind" "passed on" /t/passing/scep || { cat "$work/x/log"; fail "scepclient did not enrol through the proxy that passes on"; }
scep_legacy "$work/y" "behind" "asked for" /t/asking/scep/legacy || { cat "$work/y/log" "$work/behind.log"; fail "scepclient did not enrol through the proxy that asks"; }
if scep_legacy "$work/z" "not it" "stranger" /t/asking/scep/legacy && [ -s "$work/z/cert.pem" ]; then fail "the proxy took a wrong challenge"; fi
for who in x y; do openssl verify -x509_strict -CAfile "$work/behind.pem" "$work/$who/cert.pem" >/dev/null || fail "the certificate is not of the server behind"; done
grep -q "CN=asked for" "$work/behind.log" && grep -q "CN=passed on" "$work/behind.log" || fail "the server behind did not issue"
admin "$url/admin/certificates?tenant=asking" | grep -q "CN=asked for" || fail "the proxy keeps no record of what it got"
ok "two proxies: one passes messages on, one opens them, decides, and asks in its own name"

# --- certmonger, strict path ------------------------------------------------------------------------------------------------
# certmonger keeps its authorities and requests for good: the name is this run's own, and both are taken out again.
name=mdm-core-$port
cat >"$work/certmonger.sh" <<SH
set -eu
export HOME=$work/home
mkdir -p "\$HOME"
certmonger -s -n >$work/certmonger.log 2>&1 &
for _ in \$(seq 50); do getcert list-cas -s >/dev/null 2>&1 && break; sleep 0.1; done
state() { getcert list -s -f $work/\$1.pem | sed -n 's/.*status: //p'; }
until_state() { for _ in \$(seq 200); do [ "\$(state \$1)" = \$2 ] && return; sleep 0.1; done; echo "\$1 is \$(state \$1) and not \$2"; getcert list -s; exit 1; }
getcert add-scep-ca -s -c $name -u $url/scep -N $work/ca.pem
getcert add-scep-ca -s -c $name-held -u $url/t/held/scep -N $work/ca.pem
getcert request -s -c $name -k $work/c.key -f $work/c.pem -N CN=certmonger-device -L "$challenge" -w -v
cp $work/c.pem $work/c-first.pem
getcert rekey -s -f $work/c.pem -w -v
getcert request -s -c $name-held -k $work/cw.key -f $work/cw.pem -N CN=certmonger-stranger -L "wrong" -w -v || true
until_state cw CA_REJECTED
getcert request -s -c $name-held -k $work/ch.key -f $work/ch.pem -N CN=certmonger-held -L "by hand"
until_state ch CA_WORKING
touch $work/certmonger-waits
for _ in \$(seq 100); do [ -e $work/certmonger-granted ] && break; sleep 0.1; done
getcert refresh -s -f $work/ch.pem
until_state ch MONITORING
getcert list -s
for file in c cw ch; do getcert stop-tracking -s -f $work/\$file.pem; done
getcert remove-ca -s -c $name
getcert remove-ca -s -c $name-held
SH
dbus-run-session -- bash "$work/certmonger.sh" >"$work/getcert.log" 2>&1 &
waiting=$!
for _ in $(seq 600); do [ -e "$work/certmonger-waits" ] && break; kill -0 $waiting 2>/dev/null || break; sleep 0.1; done
[ ! -e "$work/certmonger-waits" ] || admin -X POST "$url/admin/held/$(wait_held CN=certmonger-held)/grant" >/dev/null
touch "$work/certmonger-granted"
wait $waiting || { cat "$work/getcert.log" "$work/certmonger.log"; fail "certmonger did not come through"; }
for file in c-first c ch; do
  [ -s "$work/$file.pem" ] || { cat "$work/getcert.log"; fail "certmonger got no certificate $file"; }
  openssl verify -x509_strict -CAfile "$work/ca.pem" "$work/$file.pem" >/dev/null || fail "OpenSSL does not believe certmonger's certificate"
  certtool --verify --load-ca-certificate "$work/ca.pem" --infile "$work/$file.pem" >/dev/null 2>&1 || fail "GnuTLS does not believe certmonger's certificate"
done
[ ! -s "$work/cw.pem" ] || fail "certmonger got a certificate with a wrong challenge"
ok "certmonger enrolled: $(openssl x509 -in "$work/c.pem" -noout -subject -serial | tr '\n' ' ')"
first=$(openssl x509 -in "$work/c-first.pem" -noout -serial | cut -d= -f2 | tr A-F a-f)
cmp -s "$work/c-first.pem" "$work/c.pem" && fail "certmonger renewed and has the old certificate"
grep -q "which renews $first" "$work/server.log" || fail "the server did not take certmonger's for a renewal"
ok "certmonger renewed with a new key, was refused with a wrong challenge, and waited for an operator"

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
