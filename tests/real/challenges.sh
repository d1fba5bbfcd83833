#!/usr/bin/env bash
# What first requests are held against: one example server for each kind of challenge that its command line names, and micromdm's client.
#
#   none, static, one-time, bound   the server's own
#   webhook, intune                 a service decides, and is told what was issued and what was not
#   ndes, jamf                      another program makes the challenges of enrollment profiles
#
# The services are one small program in Python, which checks what it is sent as their makers document it; of Jamf's webhook the other
# side is the example server too.
#
# Needs: a release build of the example `server` (or the folder MDM_CORE_EXAMPLES); scep, openssl, curl, python3.
set -euo pipefail
cd "$(dirname "$0")/../.."
server=${MDM_CORE_EXAMPLES:-$PWD/${CARGO_TARGET_DIR:-target}/release/examples}/server
work=$(mktemp -d)
port=$((20000 + RANDOM % 10000))
services=http://127.0.0.1:$((port + 100))
pids=()

finish() {
  code=$?
  { kill -9 "${pids[@]}" && wait; } 2>/dev/null || true
  if [ $code -ne 0 ]; then for log in "$work"/*.log; do echo "--- $log"; tail -n 12 "$log" || true; done; fi
  rm -rf "$work"
  exit $code
}
trap finish EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
ok() { echo "ok: $*"; }
json() { python3 -c "import json,sys; v=json.load(sys.stdin); print($1)"; }

# --- the services --------------------------------------------------------------------------------------------------------------------
secret=$(openssl rand -base64 32)
cat >"$work/services.py" <<'PY'
import base64, hashlib, hmac, http.server, json, sys, threading, time
port, secret, told = int(sys.argv[1]), base64.b64decode(sys.argv[2]), sys.argv[3]
lock, made, refused_once = threading.Lock(), [0], set()

def note(what):
    with lock, open(told, "a") as file:
        file.write(json.dumps(what) + "\n")

class Service(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments): pass

    def answer(self, status, body, content_type="application/json"):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def basic(self, name, password):
        wanted = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
        return self.headers.get("Authorization") == wanted

    def do_GET(self):
        if self.path != "/certsrv/mscep_admin/" or not self.basic("EXAMPLE\\scep", "ndes password"):
            return self.answer(401, b"")
        with lock: made[0] += 1
        page = f"<HTML><Body><P> Thumbprint: <B> A656FA66 AB12B433 A2DA5CF7 CC153D9A </B> <P> The enrollment challenge password is: <B> {made[0]:016X} </B></Body></HTML>"
        self.answer(200, page.encode("utf-16-le"), "text/html")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        said = json.loads(body)
        if self.path == "/webhook": return self.webhook(body, said)
        if self.path.startswith("/intune/ScepActions/"): return self.intune(self.path.rsplit("/", 1)[1], said)
        if self.path == "/jamf": return self.jamf(said)
        if self.path == "/silent": return self.silent(said)
        if self.path == "/late": return self.late(said)
        self.answer(404, b"")

    def webhook(self, body, said):
        signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
        if self.headers.get("X-Smallstep-Signature") != signature or self.headers.get("X-Smallstep-Webhook-ID") != "hook-1":
            return self.answer(401, {"allow": False})
        csr = base64.b64decode(said["x509CertificateRequest"]["raw"])
        if "scepChallenge" in said:
            return self.answer(200, {"allow": said["scepChallenge"] == "ask the webhook" and b"asked for" in csr})
        issued = said.get("x509Certificate")
        note({"service": "webhook", "transaction": said["scepTransactionID"], "error": said.get("scepErrorDescription"),
              "certificate": hashlib.sha1(base64.b64decode(issued["raw"])).hexdigest().upper() if issued else None})
        self.answer(200, {"allow": True})

    def silent(self, said):
        "Decides, and then takes the connection and says nothing."
        if "scepChallenge" in said: return self.answer(200, {"allow": True})
        note({"service": "silent"})
        time.sleep(600)

    def late(self, said):
        "Does not take the first notification."
        if "scepChallenge" in said: return self.answer(200, {"allow": True})
        if "late" not in refused_once:
            refused_once.add("late")
            return self.answer(500, b"")
        note({"service": "late"})
        self.answer(200, {"allow": True})

    def intune(self, action, said):
        if self.headers.get("Authorization") != "Bearer the token" or self.headers.get("api-version") != "2018-02-20":
            return self.answer(401, b"")
        if action == "validateRequest":
            csr = base64.b64decode(said["request"]["certificateRequest"])
            good = b"an encrypted text of Intune's" in csr and said["request"]["transactionId"]
            return self.answer(200, {"code": "Success" if good else "ChallengeExpired", "errorDescription": ""})
        said = said["notification"]
        if said["transactionId"] not in refused_once:
            refused_once.add(said["transactionId"])
            return self.answer(500, b"")
        note({"service": "intune", "action": action, "transaction": said["transactionId"], "certificate": said.get("certificateThumbprint"),
              "serial": said.get("certificateSerialNumber"), "error": said.get("errorDescription")})
        self.answer(200, {"code": "Success", "errorDescription": ""})

    def jamf(self, said):
        if not self.basic("jamf", "jamf password"): return self.answer(401, b"")
        assert said["webhook"]["webhookEvent"] == "SCEPChallenge" and said["event"]["payloadTypes"] == ["com.apple.security.scep"], said
        note({"service": "jamf", "url": said["event"]["scepServerUrl"]})
        self.answer(200, b"made for a profile", "text/plain")

http.server.ThreadingHTTPServer(("127.0.0.1", port), Service).serve_forever()
PY
: >"$work/told"
python3 "$work/services.py" $((port + 100)) "$secret" "$work/told" 2>"$work/services.log" &
pids+=($!)
printf '%s\n' "$secret" >"$work/webhook.secret"
printf 'the token\n' >"$work/intune.secret"
printf 'ndes password\n' >"$work/ndes.secret"
printf 'jamf password\n' >"$work/jamf.secret"

# --- a server for each kind -------------------------------------------------------------------------------------------------------------
kinds=(none static one-time bound webhook intune ndes jamf)
declare -A url
for at in "${!kinds[@]}"; do url[${kinds[$at]}]=http://127.0.0.1:$((port + at)); done
start() { # KIND [OPTION...]
  local kind=$1; shift
  "$server" --listen "${url[$kind]#http://}" --data "$work/$kind" --challenges "$kind" "$@" >>"$work/$kind.log" 2>&1 &
  pids+=($!)
}
start none
start static --challenge "known to all" --tenant asked
start one-time
start bound
start webhook --challenge-url "$services/webhook" --challenge-user hook-1 --challenge-secret-file "$work/webhook.secret"
start intune --challenge-url "$services/intune" --challenge-secret-file "$work/intune.secret"
start ndes --challenge-url "$services/certsrv/mscep_admin/" --challenge-user 'EXAMPLE\scep' --challenge-secret-file "$work/ndes.secret"
start jamf --challenge-url "${url[static]}/t/asked/scep/challenge" --challenge-user jamf --challenge-secret-file "$work/jamf.secret"
for kind in "${kinds[@]}"; do
  for _ in $(seq 600); do curl -fsS "${url[$kind]}/ca.pem" -o "$work/$kind.pem" 2>/dev/null && break; sleep 0.1; done
  [ -s "$work/$kind.pem" ] || fail "the server with --challenges $kind did not answer within a minute"
done
admin() { # KIND PATH [OPTION...]
  local kind=$1 path=$2; shift 2
  curl -fsS -H "Authorization: Bearer $(sed -n 's/^admin token: //p' "$work/$kind.log" | head -n 1)" "${url[$kind]}/admin/$path" "$@"
}
if timeout 20 "$server" --listen 127.0.0.1:1 --data "$work/x" >"$work/forgotten.log" 2>&1; then fail "a server began without a challenge"; fi
grep -q -- "--challenge" "$work/forgotten.log" || fail "the refusal does not name the option"
if timeout 20 "$server" --listen 127.0.0.1:1 --data "$work/x" --challenges intune >"$work/forgotten.log" 2>&1; then fail "a server began without the service"; fi
ok "a server for each kind; without the secret or the service that a kind needs, none begins"

try() { # KIND FOLDER CHALLENGE NAME [PATH]: whether there is a certificate
  mkdir -p "$work/$2"
  rm -f "$work/$2/csr.pem" "$work/$2/cert.pem"
  timeout "${patience:-30}" scepclient -private-key "$work/$2/key" -certificate "$work/$2/cert.pem" -server-url "${url[$1]}${5:-/scep/legacy}" -challenge "$3" -cn "$4" \
    >"$work/$2/log" 2>&1 && [ -s "$work/$2/cert.pem" ]
}
gets() { try "$@" || { cat "$work/$2/log"; fail "$1: no certificate for $4 with '$3'"; }; }
never() { ! try "$@" || fail "$1: a certificate for $4 with '$3'"; }
believed() { openssl verify -x509_strict -CAfile "$work/$1.pem" "$work/$2/cert.pem" >/dev/null || fail "$1: OpenSSL does not believe the certificate"; }
profile() { # KIND [QUERY]: the challenge in an enrollment profile
  curl -fsS "${url[$1]}${2:-/enroll}" | python3 -c 'import plistlib,sys
print([p["PayloadContent"].get("Challenge", "none") for p in plistlib.loads(sys.stdin.buffer.read())["PayloadContent"] if p["PayloadType"] == "com.apple.security.scep"][0])'
}
told() { python3 -c "import json,sys; t=[json.loads(l) for l in open(sys.argv[1])]; print($1)" "$work/told"; }
sha1() { openssl x509 -in "$1" -noout -fingerprint -sha1 | cut -d= -f2 | tr -d :; }

# --- the server's own -----------------------------------------------------------------------------------------------------------------
gets none none-1 "" "anybody"; believed none none-1
[ "$(profile none)" = none ] || fail "a profile of a server that asks for nothing holds a challenge"
ok "none: whoever asks gets a certificate"

# What comes of these is looked at when the rest is done: a service is waited for for twenty seconds.
for tenant in a-silent:silent z-late:late; do
  admin none tenants -X POST -d "{\"tenant\":\"${tenant%:*}\",\"scep\":{\"challenge\":{\"kind\":\"webhook\",\"url\":\"$services/${tenant#*:}\",\"user\":\"hook-1\",\"secret\":\"$secret\"}}}" >/dev/null
done
patience=60 try none silent-1 "x" "a-silent" /t/a-silent/scep/legacy & silent=$!

gets static static-1 "known to all" "device"; believed static static-1
[ "$(profile static)" = "known to all" ] || fail "the profile holds another challenge"
never static static-2 "known to some" "stranger"; never static static-3 "" "nobody"
ok "static: the one secret, which stands in profiles"

once=$(profile one-time)
[ "$once" != "$(profile one-time)" ] || fail "two profiles have one challenge"
gets one-time once-1 "$once" "device"; believed one-time once-1
never one-time once-2 "$once" "another"; never one-time once-3 "" "nobody"
cp "$work/once-1/cert.pem" "$work/once.pem"
gets one-time once-1 "$once" "device"
cmp -s "$work/once.pem" "$work/once-1/cert.pem" || fail "who lost the answer got another certificate"
ok "one-time: another in each profile, good for one device, which may lose the answer"

bound=$(profile bound "/enroll?name=for%20me")
if curl -fsS "${url[bound]}/enroll" -o /dev/null 2>/dev/null; then fail "a profile was made for no name"; fi
never bound bound-1 "$bound" "for you"; gets bound bound-2 "$bound" "for me"; believed bound bound-2
never bound bound-3 "${bound%?????}00000" "for me"
ok "bound: in a profile for one name, and good for that"

# --- services that decide ------------------------------------------------------------------------------------------------------------
gets webhook hook-1 "ask the webhook" "asked for"; believed webhook hook-1
never webhook hook-2 "something else" "asked for"; never webhook hook-3 "ask the webhook" "another name"
[ "$(told "[n['certificate'] for n in t if n['service']=='webhook']")" = "['$(sha1 "$work/hook-1/cert.pem")']" ] || fail "the webhook was not told what was issued"
admin webhook tenants/example/scep -X PUT -d '{"approval":"manual","emptyContent":true}' >/dev/null
mkdir -p "$work/hook-4"
# The client would ask again after half a minute; it is told nothing new then.
patience=3 try webhook hook-4 "ask the webhook" "asked for later" & waiting=$!
for _ in $(seq 100); do held=$(admin webhook held | json '" ".join(h["id"] for h in v if h["state"]=="Pending")'); [ -z "$held" ] || break; sleep 0.1; done
admin webhook "held/$held/deny" -X POST >/dev/null
! wait $waiting || fail "what the operator denied was issued"
[ "$(told "[n['error'] for n in t if n['service']=='webhook'][1:]")" = "['an operator has denied the request']" ] || fail "the webhook was not told what failed"
ok "webhook: asked with a signature, decides about challenge and request, and is told of the certificate and of the failure"

# Intune is told before the device gets the certificate; it does not take the first notification, so the device has to come again.
never intune intune-1 "an encrypted text of Intune's" "device"
gets intune intune-1 "an encrypted text of Intune's" "device"; believed intune intune-1
never intune intune-2 "another text" "stranger"
[ "$(told "[(n['action'],n['certificate'],n['serial'].lower()) for n in t if n['service']=='intune']")" = \
  "[('successNotification', '$(sha1 "$work/intune-1/cert.pem")', '$(openssl x509 -in "$work/intune-1/cert.pem" -noout -serial | cut -d= -f2 | tr A-F a-f)')]" ] || { cat "$work/told"; fail "Intune was not told what was issued"; }
grep -q "ChallengeExpired" "$work/intune.log" || fail "Intune's code is not in the log"
[ "$(admin intune certificates | json 'len(v)')" = 1 ] || fail "who came again got a second certificate"
ok "intune: decides, and takes note before the device has its certificate"

# --- programs that make them ------------------------------------------------------------------------------------------------------------
ndes=$(profile ndes)
[ "$ndes" = 0000000000000001 ] || fail "the profile holds '$ndes' and not what the page of NDES says"
gets ndes ndes-1 "$ndes" "device"; believed ndes ndes-1
never ndes ndes-2 "$ndes" "another"; never ndes ndes-3 0000000000000009 "stranger"
ok "ndes: the challenge on the admin page, in UTF-16, stands in the profile, and is good once"

# The server behind is asked for challenges as Jamf Pro asks, and takes what is passed on to it.
[ "$(curl -sS -o /dev/null -w '%{http_code}' -u jamf:guess -d '{}' "${url[static]}/t/asked/scep/challenge")" = 404 ] || fail "a challenge was to be had where nobody may ask"
admin static tenants/asked/scep -X PUT -d '{"askedBy":{"user":"jamf","secret":"jamf password"}}' >/dev/null
[ "$(curl -sS -o /dev/null -w '%{http_code}' -u jamf:guess -d '{}' "${url[static]}/t/asked/scep/challenge")" = 401 ] || fail "a stranger was given a challenge"
admin jamf tenants/example/scep -X PUT -d "{\"upstream\":{\"url\":\"${url[static]}/t/asked/scep/legacy\",\"passThrough\":true}}" >/dev/null
jamf=$(profile jamf)
gets jamf jamf-1 "$jamf" "device"; believed static jamf-1
never jamf jamf-2 "$jamf" "another"; never jamf jamf-3 "guess" "stranger"
admin jamf tenants -X POST -d "{\"tenant\":\"python\",\"scep\":{\"challenge\":{\"kind\":\"jamf\",\"url\":\"$services/jamf\",\"user\":\"jamf\",\"secret\":\"jamf password\"}}}" >/dev/null
[ "$(profile jamf /t/python/enroll)" = "made for a profile" ] || fail "the profile holds another challenge than the service made"
[ "$(told "[n['url'] for n in t if n['service']=='jamf']")" = "['${url[jamf]}/t/python/scep']" ] || fail "the service was not asked for this server"
ok "jamf: asked and asking, the challenge goes through a proxy to the server that made it, and is good there once"

# --- a service that says nothing --------------------------------------------------------------------------------------------------------
wait $silent || fail "who is not told of a certificate keeps the device from it"
gets none late-1 "x" "z-late" /t/z-late/scep/legacy
[ "$(told "[n for n in t if n['service']=='late']")" = "[]" ] || fail "a notification that was refused counts as told"
# Both are owed now. The next life begins with the silent one, eleven months later, so that there is a notice to be given too.
{ kill -9 "${pids[1]}" && wait "${pids[1]}"; } 2>/dev/null || true
asked=$(told "len([n for n in t if n['service']=='silent'])")
start none --clock-offset $((340 * 86400))
for _ in $(seq 100); do
  [ "$(told "len([n for n in t if n['service']=='silent'])")" -eq "$asked" ] || break
  sleep 0.1
done
[ "$(told "len([n for n in t if n['service']=='silent'])")" -eq $((asked + 1)) ] || fail "what is owed is not told after a start"
[ "$(profile none)" = none ] && curl -fsS --max-time 5 "${url[none]}/crl" -o "$work/none.crl" || fail "devices wait for the silent service"
for _ in $(seq 50); do ! grep -q "^notice: the push certificate" "$work/none.log" || break; sleep 0.1; done
grep -q "^notice: the push certificate" "$work/none.log" || fail "notices wait for the silent service"
[ "$(told "[n for n in t if n['service']=='late']")" = "[]" ] || fail "the silent service was not waited for, so that this shows nothing"
for _ in $(seq 300); do [ "$(told "len([n for n in t if n['service']=='late'])")" = 0 ] || break; sleep 0.1; done
[ "$(told "len([n for n in t if n['service']=='late'])")" = 1 ] || fail "the silent service of one tenant keeps another's from being told"
ok "a service that takes the connection and says nothing: devices, notices and the services of other tenants go on"

for kind in "${kinds[@]}"; do
  for secret in "known to all" "the token" "ndes password" "jamf password" "$once" "$ndes" "$jamf"; do
    if grep -qF -- "$secret" "$work/$kind.log"; then fail "a secret stands in the log of $kind"; fi
  done
done
admin static tenants | grep -q "jamf password" && fail "a secret is shown in /admin"
ok "no secret in a log or in /admin"
echo "all held"
