#!/usr/bin/env bash
# Two tenants' devices are woken over HTTP/2 and TLS: each over its own tenant's push certificate, whatever APNs answers.
#
# The example server pushes to the example `apns`, which takes only certificates of one authority (made here by OpenSSL, standing in
# for Apple's), and says over whose certificate each push came. The devices are OpenSSL and curl.
#
# Needs: release builds of the examples `server` and `apns` (or the folder MDM_CORE_EXAMPLES); openssl, curl, python3, scepclient.
set -euo pipefail
cd "$(dirname "$0")/../.."
examples=${MDM_CORE_EXAMPLES:-$PWD/${CARGO_TARGET_DIR:-target}/release/examples}
work=$(mktemp -d)
port=$((20000 + RANDOM % 10000))
url=http://127.0.0.1:$port
apns=127.0.0.1:$((port + 10001))
control=http://127.0.0.1:$((port + 10002))
pids=()

finish() {
  code=$?
  for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
  if [ $code -ne 0 ]; then echo "--- server log"; tail -n 40 "$work/server.log" || true; echo "--- apns log"; tail -n 20 "$work/apns.log" || true; fi
  rm -rf "$work"
  exit $code
}
trap finish EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
ok() { echo "ok: $*"; }
admin() { curl -fsS -H "Authorization: Bearer $token" "$@"; }
json() { python3 -c "import json,sys; v=json.load(sys.stdin); print($1)"; }

# --- an authority that stands in for Apple's, and the two servers ---------------------------------------------------------------
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/apple.key" -out "$work/apple.pem" -days 30 -subj "/CN=Stand-in for Apple" 2>/dev/null
"$examples/apns" --listen "$apns" --control "${control#http://}" --ca "$work/apns-ca.pem" --client-ca "$work/apple.pem" >"$work/apns.log" 2>&1 &
pids+=($!)
for _ in $(seq 100); do [ -s "$work/apns-ca.pem" ] && curl -fsS "$control/pushes" >/dev/null 2>&1 && break; sleep 0.1; done

start() {
  "$examples/server" --listen "127.0.0.1:$port" --data "$work/data" --challenge secret --tenant acme --tenant globex \
    --apns "https://$apns" --apns-ca "$work/apns-ca.pem" --push-retry 3 >>"$work/server.log" 2>&1 &
  server=$!
  pids+=("$server")
  for _ in $(seq 200); do
    curl -fsS "$url/ca.pem" -o "$work/ca.pem" 2>/dev/null && return
    kill -0 "$server" 2>/dev/null || fail "the server stopped at start"
    sleep 0.1
  done
  fail "the server did not answer within twenty seconds"
}
start
token=$(sed -n 's/^admin token: //p' "$work/server.log" | head -n 1)
[ -n "$token" ] || fail "the server printed no admin token at first start"

# A push certificate for a request of this server's, as Apple would issue it: with a subject of Apple's own.
issue() { # TENANT TOPIC NAME [DEVELOPER]: writes $work/NAME.pem
  admin -X POST "$url/admin/push/$1/request" -d "{\"appleAccount\":\"push@$1.example\",\"vendorCertificate\":\"${4:-vendor}\",\"developerAccount\":\"${4:-vendor}\"}" -o "$work/$3.csr"
  openssl req -in "$work/$3.csr" -verify -noout 2>/dev/null || fail "OpenSSL does not believe the request"
  openssl req -in "$work/$3.csr" -pubkey -noout >"$work/$3.pub"
  printf 'extendedKeyUsage=clientAuth\n1.2.840.113635.100.6.3.2=DER:0500\n' >"$work/ext"
  openssl req -new -newkey rsa:2048 -nodes -keyout /dev/null -subj "/UID=$2/CN=APSP:${2##*.}/C=US" 2>/dev/null |
    openssl x509 -req -CA "$work/apple.pem" -CAkey "$work/apple.key" -force_pubkey "$work/$3.pub" -days 365 -extfile "$work/ext" -out "$work/$3.pem" 2>/dev/null
}
install() { admin -X POST "$url/admin/push/$1/certificate${3:-}" --data-binary @"$work/$2.pem" -o "$work/install.json"; }
serial() { openssl x509 -in "$work/$1.pem" -noout -serial | cut -d= -f2 | tr A-F a-f; }

for tenant in acme globex; do
  issue $tenant com.apple.mgmt.External.$tenant $tenant-1
  install $tenant $tenant-1
done
ok "two push certificates requested, issued and installed through /admin"

# --- devices: a certificate from the tenant's SCEP, Authenticate and TokenUpdate ---------------------------------------------------
plist() { printf '<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0"><dict>%s<key>UDID</key><string>%s</string></dict></plist>' "$1" "$udid"; }
pair() { printf '<key>%s</key><string>%s</string>' "$1" "$2"; }
say() { # DEVICE CONTENT-TYPE BODY: prints the status
  printf '%s' "$3" >"$work/body"
  openssl cms -sign -binary -in "$work/body" -signer "$work/$1/cert.pem" -inkey "$work/$1/key" -md sha256 -outform DER -out "$work/signature"
  curl -sS -o "$work/answer" -w '%{http_code}' -X PUT --data-binary @"$work/body" -H "Content-Type: $2" \
    -H "Mdm-Signature: $(openssl base64 -A -in "$work/signature")" "$url/t/$tenant/mdm"
}
token_of() { printf '%s' "$1" | openssl dgst -sha256 -r | cut -d' ' -f1; }
checkin=application/x-apple-aspen-mdm-checkin
report=application/x-apple-aspen-mdm
topic= # the end of the topic that devices listen on; the tenant's name when empty
token_update() { # DEVICE
  plist "$(pair MessageType TokenUpdate)$(pair Topic "com.apple.mgmt.External.${topic:-$tenant}")$(pair PushMagic "magic \"$1\"")<key>Token</key><data>$(token_of "$1" | xxd -r -p | base64 -w0)</data>"
}
enrol() { # TENANT DEVICE
  tenant=$1; udid=$2
  mkdir -p "$work/$2"
  challenge=$(admin -X POST "$url/admin/tenants/$1/challenges" -d '{"kind":"one-time"}' | json 'v["challenge"]')
  scepclient -private-key "$work/$2/key" -certificate "$work/$2/cert.pem" -server-url "$url/t/$1/scep/legacy" -challenge "$challenge" -cn "$2" >"$work/$2/log" 2>&1 ||
    { cat "$work/$2/log"; fail "$2 got no certificate"; }
  introduce "$2"
}
introduce() { # DEVICE
  [ "$(say "$1" $checkin "$(plist "$(pair MessageType Authenticate)$(pair Topic "com.apple.mgmt.External.${topic:-$tenant}")$(pair DeviceName "$1")")")" = 200 ] || fail "Authenticate of $1 was refused"
  [ "$(say "$1" $checkin "$(token_update "$1")")" = 200 ] || fail "TokenUpdate of $1 was refused"
}
for n in 1 2 3; do enrol acme ACME-$n; enrol globex GLOBEX-$n; done
tenant=globex; udid=ACME-1
[ "$(say ACME-1 $report "$(plist "$(pair Status Idle)")")" != 200 ] || fail "a device of acme was served at globex's door"
udid=GLOBEX-9; mkdir -p "$work/GLOBEX-9"; cp "$work/ACME-1/key" "$work/ACME-1/cert.pem" "$work/GLOBEX-9"
[ "$(say GLOBEX-9 $checkin "$(plist "$(pair MessageType Authenticate)$(pair Topic com.apple.mgmt.External.globex)")")" = 403 ] || fail "a certificate of acme enrolled at globex"
ok "three devices of each tenant enrolled, each with a one-time challenge; none passes at the other's door"

command() { # TENANT DEVICE
  admin -X POST "$url/admin/enrollments/$2/commands?tenant=$1" -d '{"RequestType":"DeviceInformation","Queries":["OSVersion"]}' >/dev/null
}
pushes() { curl -fsS "$control/pushes" | json "$1"; }
until_true() { # PYTHON-EXPRESSION over pushes, TEXT
  for _ in $(seq 100); do [ "$(pushes "$1")" = True ] && return; sleep 0.1; done
  curl -fsS "$control/pushes" >&2; fail "$2"
}
state() { admin "$url/admin/push" | json "$1"; }
until_state() {
  for _ in $(seq 100); do [ "$(state "$1")" = True ] && return; sleep 0.1; done
  admin "$url/admin/push" >&2; fail "$2"
}
forget() { curl -fsS -X DELETE "$control/pushes"; curl -fsS -X DELETE "$control/answers"; }
answer() { curl -fsS -X POST "$control/answers" -H 'content-type: application/json' -d "$1"; }

# --- each over its own certificate ------------------------------------------------------------------------------------------------
forget
for n in 1 2 3; do command acme ACME-$n; command globex GLOBEX-$n; done
until_true 'len(v)==6' "six commands did not make six pushes"
for name in acme globex; do
  [ "$(pushes "all(p['certificate']['serial']=='$(serial $name-1)' for p in v if p['topic'].endswith('.$name'))")" = True ] || fail "a push of $name came over another certificate"
  [ "$(pushes "sum(p['topic'].endswith('.$name') for p in v)")" = 3 ] || fail "$name has not three pushes"
done
[ "$(pushes "all(p['status']==200 and p['pushType']=='mdm' and p['priority']=='10' and p['topic']==p['certificate']['topic'] for p in v)")" = True ] || fail "a push is not as Apple wants it"
[ "$(pushes "sorted(p['magic'] for p in v)[0]")" = 'magic "ACME-1"' ] || fail "the push magic was not told as it is"
ok "six pushes, each over its own tenant's certificate, with type, priority, topic and magic"
command acme ACME-1; sleep 1.5
[ "$(pushes 'len(v)')" = 6 ] || fail "a second command made a second push while the first is out"
ok "a second command while a push is out costs nothing"

# A device that comes settles what it was owed.
settle() { tenant=$1; udid=$2; say "$2" $report "$(plist "$(pair Status Idle)")" >/dev/null; }

# --- 410 retires, when it is later than the token; and not when it is earlier -------------------------------------------------------
forget
settle acme ACME-1; settle acme ACME-2
answer "{\"token\":\"$(token_of ACME-1)\",\"status\":410,\"reason\":\"Unregistered\",\"timestamp\":$(($(date +%s) + 60))000,\"times\":1}"
answer "{\"token\":\"$(token_of ACME-2)\",\"status\":410,\"reason\":\"Unregistered\",\"timestamp\":1000000000000}"
command acme ACME-1; command acme ACME-2
until_true 'len(v)==2' "two commands did not make two pushes"
enrolled() { admin "$url/admin/enrollments?tenant=$1" | json "[e['state'] for e in v if e['id']=='$2'][0]"; }
for _ in $(seq 50); do [ "$(enrolled acme ACME-1)" = Retired ] && break; sleep 0.1; done
[ "$(enrolled acme ACME-1)" = Retired ] || fail "410 did not retire"
[ "$(enrolled acme ACME-2)" = Enrolled ] || fail "a 410 that is older than the token retired a device"
ok "410 retires a device, and one that is older than the device's token does not"
tenant=acme; udid=ACME-1
[ "$(say ACME-1 $checkin "$(token_update ACME-1)")" = 200 ] || fail "a retired device was not taken back"
[ "$(enrolled acme ACME-1)" = Enrolled ] || fail "a TokenUpdate did not bring the device back"
ok "its next TokenUpdate brings it back"

# --- 400 about a token keeps the device --------------------------------------------------------------------------------------------
forget; settle globex GLOBEX-3
answer "{\"token\":\"$(token_of GLOBEX-3)\",\"status\":400,\"reason\":\"BadDeviceToken\"}"
command globex GLOBEX-3
until_true 'len(v)==1' "no push"
sleep 0.5
[ "$(enrolled globex GLOBEX-3)" = Enrolled ] || fail "BadDeviceToken retired a device"
grep -q "attention: push: GLOBEX-3 of globex rejected: 400 BadDeviceToken" "$work/server.log" || fail "BadDeviceToken was not told"
ok "400 BadDeviceToken keeps the device, and tells the operator"

# --- 403 pauses the topic, once for all devices, and no other topic -------------------------------------------------------------------
forget
for n in 1 2 3; do settle acme ACME-$n; done; settle globex GLOBEX-1
answer '{"topic":"com.apple.mgmt.External.acme","status":403,"reason":"BadCertificate"}'
command acme ACME-1
until_state "[c['paused'] for c in v['certificates'] if c['serial']=='$(serial acme-1)'][0] is not None" "403 did not pause the topic"
forget
command acme ACME-2; command acme ACME-3; command globex GLOBEX-1
until_true "any(p['topic'].endswith('.globex') for p in v)" "globex is not pushed to any more"
sleep 1.5
[ "$(pushes "sum(p['topic'].endswith('.acme') for p in v)")" = 0 ] || fail "a paused topic is pushed to"
[ "$(grep -c 'attention: push: APNs refuses' "$work/server.log")" = 1 ] || fail "the pause was not told once"
[ "$(state "[c['paused']['reason'] for c in v['certificates'] if c['serial']=='$(serial acme-1)'][0]")" = BadCertificate ] || fail "the report does not say why"
ok "403 pauses the topic once, holds its pushes, and leaves the other tenant alone"
admin -X POST "$url/admin/push/acme/resume" >/dev/null
until_true "sum(p['topic'].endswith('.acme') and p['status']==200 for p in v)==3" "what was owed was not sent after the pause"
ok "resumed, the three pushes that were owed are sent"

# --- 429 and 500 back off ------------------------------------------------------------------------------------------------------------
forget; settle acme ACME-1; settle globex GLOBEX-2
answer "{\"token\":\"$(token_of ACME-1)\",\"status\":429,\"reason\":\"TooManyRequests\",\"times\":1}"
answer "{\"token\":\"$(token_of GLOBEX-2)\",\"status\":500,\"reason\":\"InternalServerError\",\"times\":1}"
command acme ACME-1; command globex GLOBEX-2
until_true 'len(v)==2' "two commands did not make two pushes"
sleep 1
[ "$(pushes 'len(v)')" = 2 ] || fail "a refused push was repeated at once"
[ "$(state "sorted((p['state'],p['attempts']) for p in v['pushes'] if p['enrollment'] in ('ACME-1','GLOBEX-2'))")" = "[('Owed', 1), ('Owed', 1)]" ] || fail "the report does not show what is owed"
until_true "len(v)==4 and all(p['status']==200 for p in v[2:])" "the pushes were not repeated"
[ "$(pushes "all(b['at']-a['at']>=3 for a in v[:2] for b in v[2:] if a['token']==b['token'])")" = True ] || fail "the wait was too short"
ok "429 and 500 are repeated after the wait, and shown as owed until then"

# --- SIGKILL: what is owed is sent after the next start --------------------------------------------------------------------------------
forget; settle acme ACME-3
answer "{\"token\":\"$(token_of ACME-3)\",\"status\":503,\"reason\":\"ServiceUnavailable\",\"times\":1}"
command acme ACME-3
until_true 'len(v)==1' "no push"
sleep 0.3
kill -9 "$server"; wait "$server" 2>/dev/null || true
start
until_true "len(v)==2 and v[1]['status']==200 and v[1]['certificate']['serial']=='$(serial acme-1)'" "what was owed is lost with SIGKILL"
ok "what is owed survives SIGKILL"

# --- renewal: the same topic without a gap; another topic is refused with the number of devices it would strand ---------------------------
issue acme com.apple.mgmt.External.acme acme-2
install acme acme-2
forget; settle acme ACME-2; command acme ACME-2
until_true "len(v)==1 and v[0]['certificate']['serial']=='$(serial acme-2)'" "after the renewal, the push did not come over the new certificate"
ok "renewed: the next push comes over the new certificate, on the same topic"
issue acme com.apple.mgmt.External.ACME acme-3
status=$(curl -sS -o "$work/conflict.json" -w '%{http_code}' -X POST -H "Authorization: Bearer $token" "$url/admin/push/acme/certificate" --data-binary @"$work/acme-3.pem")
[ "$status" = 409 ] || fail "a certificate with another topic was taken ($status)"
[ "$(json 'v["conflict"]["stranded"]' <"$work/conflict.json")" = 3 ] || { cat "$work/conflict.json"; fail "the conflict does not say whom it would strand"; }
ok "a topic that differs by case is another topic: 409, three enrollments would be stranded"
issue globex com.apple.mgmt.External.acme stolen
status=$(curl -sS -o /dev/null -w '%{http_code}' -X POST -H "Authorization: Bearer $token" "$url/admin/push/acme/certificate" --data-binary @"$work/stolen.pem")
[ "$status" = 409 ] || fail "a certificate for another tenant's key was taken ($status)"
ok "a certificate for another tenant's key is refused"

# --- the report: exposure and sharing ---------------------------------------------------------------------------------------------------
[ "$(state "[e['enrollments'] for e in v['exposure'] if e['node']=='push certificate $(serial acme-2)'][0]")" = 3 ] || fail "exposure of the certificate"
[ "$(state "[e['tenants'] for e in v['exposure'] if e['node']=='developer account vendor'][0]")" = "{'acme': 3, 'globex': 3}" ] || fail "exposure of the developer account"
[ "$(state "[s['level'] for s in v['sharing'] if s['node'].endswith(' vendor')]")" = "['VendorCertificate', 'DeveloperAccount']" ] || fail "what is shared is not reported"
admin -X POST "$url/admin/push/acme/share" -d '{"with":["globex"]}' >/dev/null
[ "$(state "[s['tenants'] for s in v['sharing'] if s['level']=='Certificate'][0]")" = "['acme', 'globex']" ] || fail "a shared certificate is not reported"
admin -X POST "$url/admin/push/acme/share" -d '{"with":[]}' >/dev/null
[ "$(state "[s for s in v['sharing'] if s['level']=='Certificate']")" = "[]" ] || fail "a certificate that is not shared any more is reported"
ok "/admin/push shows exposure and sharing at each level"

# --- two tenants share one certificate, and one of them leaves ------------------------------------------------------------------------------
for tenant in initech umbrella; do admin -X POST "$url/admin/tenants" -d "{\"tenant\":\"$tenant\"}" >/dev/null; done
issue initech com.apple.mgmt.External.initech initech-1
install initech initech-1
admin -X POST "$url/admin/push/umbrella/revoke" >/dev/null
admin -X POST "$url/admin/push/initech/share" -d '{"with":["umbrella"]}' >/dev/null
enrol initech INITECH-1
topic=initech
for n in 1 2 3; do enrol umbrella UMBRELLA-$n; done
[ "$(state "[s['enrollments'] for s in v['sharing'] if s['level']=='Certificate'][0]")" = 4 ] || fail "the shared certificate is not reported"
separation() { admin "$url/admin/push/umbrella/separation" | json "$1"; }
advance() { # PYTHON-EXPRESSION over the answer; its status is in $work/status
  curl -sS -o "$work/advance.json" -w '%{http_code}' -X POST -H "Authorization: Bearer $token" "$url/admin/push/umbrella/separation/advance" >"$work/status"
  json "$1" <"$work/advance.json"
}
[ "$(separation '(v["enrollAgain"], v["next"], [s["step"] for s in v["steps"] if s["touchesDevices"]])')" = "(3, 'ObtainDeveloperAccount', ['EnrollAgain'])" ] || fail "what a plan would be"
admin -X POST "$url/admin/push/umbrella/separation" -d '{"batch":2}' >/dev/null
[ "$(curl -s -o /dev/null -w '%{http_code}' -X POST -H "Authorization: Bearer $token" "$url/admin/push/umbrella/separation")" = 409 ] || fail "a second plan began beside the first"
[ "$(advance 'v["next"]') $(advance 'v["next"]') $(advance 'v["next"]')" = "ObtainVendorCertificate ObtainAppleAccount InstallCertificate" ] || fail "the steps at Apple"
advance 'v' >/dev/null 2>&1 || true
[ "$(cat "$work/status")" = 409 ] || fail "the plan went on without a certificate of the tenant's own"
issue umbrella com.apple.mgmt.External.umbrella umbrella-1 umbrella
install umbrella umbrella-1
[ "$(advance 'v["next"]')" = EnrollAgain ] || fail "the certificate of the tenant's own is not seen"
[ "$(advance '(v["told"], v["moved"])')" = "(['UMBRELLA-1', 'UMBRELLA-2'], 2)" ] || { cat "$work/advance.json"; fail "the first batch"; }
grep -q "^attention: UMBRELLA-1 of umbrella must enroll again" "$work/server.log" || fail "nobody is told who must enroll again"
[ "$(advance 'v["waiting"]')" = "['UMBRELLA-1', 'UMBRELLA-2']" ] && [ "$(cat "$work/status")" = 409 ] || fail "the next batch did not wait for the last"
kill -9 "$server"; wait "$server" 2>/dev/null || true
start
[ "$(separation '(v["next"], v["moved"], v["waiting"])')" = "('EnrollAgain', 2, ['UMBRELLA-1', 'UMBRELLA-2'])" ] || fail "the plan is lost with SIGKILL"
again() { topic=umbrella; tenant=umbrella; udid=$1; introduce "$1"; }
curl -fsS "$url/t/umbrella/enroll" | grep "com.apple.mgmt.External.umbrella" >/dev/null || fail "profiles name the old topic"
again UMBRELLA-1
[ "$(advance 'v["waiting"]')" = "['UMBRELLA-2']" ] || fail "who enrolled again is waited for still"
again UMBRELLA-2
[ "$(advance '(v["told"], v["moved"])')" = "(['UMBRELLA-3'], 3)" ] || fail "the second batch"
again UMBRELLA-3
[ "$(advance '(v["next"], v["told"])')" = "('LeaveCertificate', [])" ] || fail "with nobody left the step is not done"
[ "$(advance '(v["next"], all(s["done"] for s in v["steps"]))')" = "(None, True)" ] || fail "the certificate was not left"
[ "$(state "[s for s in v['sharing'] if 'umbrella' in s['tenants']]")" = "[]" ] || fail "umbrella shares something still"
forget; command umbrella UMBRELLA-2; command initech INITECH-1
until_true 'len(v)==2' "no push after the separation"
[ "$(pushes "sorted((p['topic'][len('com.apple.mgmt.External.'):], p['certificate']['serial']) for p in v)")" = "[('initech', '$(serial initech-1)'), ('umbrella', '$(serial umbrella-1)')]" ] || fail "a push came over the other's certificate"
ok "a tenant leaves a shared certificate: step by step, batch by batch as its devices enroll again, over SIGKILL; each is woken over its own then"
echo "all held"
