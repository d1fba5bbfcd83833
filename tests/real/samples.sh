#!/usr/bin/env bash
# The example `inspect` says what files are: some of each kind, made here with OpenSSL, and every real capture in ../shared/samples
# (skipped where that folder is absent) with the keys there.
#
# Needs: a release build of the example `inspect` (or the folder MDM_CORE_EXAMPLES); openssl, python3.
set -euo pipefail
cd "$(dirname "$0")/../.."
inspect=${MDM_CORE_EXAMPLES:-$PWD/${CARGO_TARGET_DIR:-target}/release/examples}/inspect
samples=../shared/samples
[ -d "$samples" ] || samples=../../shared/samples
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
ok() { echo "ok: $*"; }
[ -x "$inspect" ] || fail "$inspect is not built"

# run OUTPUT ARGUMENTS...: standard output, standard error and the exit code beside each other.
run() {
  local out=$work/$1; shift
  local code=0
  "$inspect" "$@" >"$out.json" 2>"$out.err" || code=$?
  echo "$code" >"$out.code"
}

# check OUTPUT FILE... <<PYTHON: every file was read or refused in one line, and the assertions hold over `said` (by file name),
# `refused` (by file name) and `code`.
check() {
  python3 - "$work/$1" "${@:2}" 3<&0 <<'PYTHON' || fail "inspect said something else about $1"
import json, os, sys

out, files = sys.argv[1], sys.argv[2:]
code = int(open(out + ".code").read())
said, refused = {}, {}
for line in open(out + ".json"):
    value = json.loads(line)
    assert list(value)[:2] == ["file", "kind"], line
    said[value["file"]] = value
for line in open(out + ".err"):
    named = [file for file in files if line.startswith("inspect: " + file + ": ")]
    assert len(named) == 1 and named[0] not in refused, "not one clear line: " + line
    refused[named[0]] = line
assert sorted(list(said) + list(refused)) == sorted(files), "not every file is accounted for"
assert code == (1 if refused else 0), code
for file, line in refused.items():
    assert " at byte " in line or ", in " in line, "no place in: " + line
short = lambda found: {os.path.basename(file): value for file, value in found.items()}
exec(open(3).read(), {"said": short(said), "refused": short(refused), "code": code, "files": files, "paths": said, "print": print})
PYTHON
}

# --- one of each kind, made by OpenSSL ----------------------------------------------------------------------------------------
made=$work/made
repository=$PWD
mkdir "$made"
(
  cd "$made"
  quiet() { "$@" >"$work/openssl.log" 2>&1 || { cat "$work/openssl.log"; exit 1; }; }
  quiet openssl req -x509 -newkey rsa:2048 -noenc -keyout ca.key -out ca.pem -days 30 -subj "/O=Example/CN=Test CA" \
    -addext "keyUsage=critical,keyCertSign,cRLSign"
  quiet openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout ec.key -out device.csr.pem -subj "/CN=device" \
    -addext "subjectAltName=DNS:device.example"
  quiet openssl req -in device.csr.pem -outform DER -out device.csr
  quiet openssl x509 -req -in device.csr.pem -CA ca.pem -CAkey ca.key -set_serial 7 -days 1 -outform DER -out device.cer
  topic=com.apple.mgmt.External.0c3e4d5f-6a7b-4c8d-9e0f-112233445566
  quiet openssl req -x509 -key ca.key -out push.pem -days 30 -subj "/UID=$topic/CN=APSP:example/C=US"
  quiet openssl ec -in ec.key -out sec1.key
  quiet openssl pkey -in ca.key -traditional -out pkcs1.key
  quiet openssl pkey -in ca.key -traditional -aes128 -passout pass:secret -out locked.key
  quiet openssl pkey -in ca.key -outform DER -out pkcs8.der
  touch index.txt
  echo 01 >crlnumber
  printf '[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\ndefault_crl_days=7\n' >ca.cnf
  quiet openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem -revoke device.cer -crl_reason keyCompromise
  quiet openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem -gencrl -out list.pem
  quiet openssl crl -in list.pem -outform DER -out list.crl
  quiet openssl crl2pkcs7 -nocrl -certfile ca.pem -certfile push.pem -outform DER -out chain.p7b
  cat >enroll.mobileconfig <<PLIST
<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict>
  <key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>
  <key>PayloadIdentifier</key><string>com.example.enroll</string><key>PayloadUUID</key><string>A</string>
  <key>PayloadContent</key><array><dict><key>PayloadType</key><string>com.apple.security.scep</string>
    <key>PayloadContent</key><dict><key>Challenge</key><string>hunter2-challenge</string></dict></dict></array>
</dict></plist>
PLIST
  quiet openssl cms -sign -binary -nodetach -stream -in enroll.mobileconfig -signer ca.pem -inkey ca.key -outform DER -out signed.mobileconfig
  quiet openssl cms -sign -binary -in enroll.mobileconfig -signer ca.pem -inkey ca.key -outform DER -out detached.der
  quiet openssl cms -encrypt -binary -aes128 -in enroll.mobileconfig -outform DER -out sealed.der ca.pem
  quiet openssl cms -encrypt -binary -aes-256-gcm -in enroll.mobileconfig -outform DER -out gcm.der ca.pem
  quiet openssl cms -encrypt -binary -aes128 -in enroll.mobileconfig -outform DER -out agreed.der <(openssl x509 -inform DER -in device.cer)
  quiet openssl cms -encrypt -binary -aes128 -pwri_password secret -in enroll.mobileconfig -outform DER -out password.der
  cp detached.der nested.der
  for level in 1 2 3 4 5 6 7 8 9 10; do
    quiet openssl cms -sign -binary -nodetach -in nested.der -signer ca.pem -inkey ca.key -outform DER -out nested.new
    mv nested.new nested.der
  done
  python3 - "$repository" <<'PYTHON'
import base64, json, os, plistlib, shutil, sys
repository = sys.argv[1]

def longer(der, at, by):
    """The same DER with every length that covers an offset greater; all of them have two octets or one."""
    def walk(start):
        length = der[start + 1]
        if length & 0x80:
            octets = length & 0x7F
            return start + 2 + octets, int.from_bytes(der[start + 2:start + 2 + octets], "big"), octets
        return start + 2, length, 0
    der = bytearray(der)
    start = 0
    while start < at:
        content, length, octets = walk(start)
        if not content <= at < content + length:
            start = content + length
            continue
        if octets:
            der[start + 2:start + 2 + octets] = (length + by).to_bytes(octets, "big")
        else:
            der[start + 1] = length + by
        start = content
    return bytes(der)

profile = open("enroll.mobileconfig", "rb").read()
command = {"CommandUUID": "1", "Command": {"RequestType": "InstallProfile", "Payload": profile}}
open("command.plist", "wb").write(plistlib.dumps(command, fmt=plistlib.FMT_BINARY))
erase = {"CommandUUID": "2", "Command": {"RequestType": "EraseDevice", "PIN": "hunter2-pin", "PreserveDataPlan": "yes", "New": 1}}
open("erase.plist", "wb").write(plistlib.dumps(erase))
token = {"MessageType": "TokenUpdate", "UDID": "D", "PushMagic": "hunter2-magic", "Token": b"hunter2-token", "UnlockToken": b"hunter2-unlock"}
open("token.plist", "wb").write(plistlib.dumps(token))
open("array.plist", "wb").write(plistlib.dumps([1, 2]))
machine = {"UDID": "D", "SERIAL": "S", "PRODUCT": "iPhone16,1", "VERSION": "23A1", "LANGUAGE": "en-GB"}
open("machine.plist", "wb").write(plistlib.dumps(machine))
manifest = {"items": [{"assets": [{"kind": "software-package", "url": "https://a.example/a.ipa"}], "metadata": {"kind": "software"}}]}
open("manifest.plist", "wb").write(plistlib.dumps(manifest))
open("refusal.plist", "wb").write(plistlib.dumps({"code": "com.apple.unrecognized.device"}))
open("bootstrap.plist", "wb").write(plistlib.dumps({"BootstrapToken": b"hunter2-bootstrap"}))
documents = {
    "declaration": {"Type": "com.apple.configuration.passcode.settings", "Identifier": "i", "ServerToken": "t", "Payload": {"RequirePasscode": 1}},
    "items": {"Declarations": {"Activations": [{"Identifier": "i", "ServerToken": "t"}]}, "DeclarationsToken": "t"},
    "tokens": {"SyncTokens": {"Timestamp": "2026-01-31T12:00:00Z", "DeclarationsToken": "t"}},
    "status": {"StatusItems": {"device": {"model": {"family": 7}}, "mdm": {"push-magic": "hunter2-status"}}, "Errors": []},
    "refusal": {"code": "com.apple.softwareupdate.required", "details": {"OSVersion": "26.1"}},
    "notification": {"mdm": "hunter2-mdm"},
    "other": {"a": [1, 2.5, True]},
}
for name, document in documents.items():
    open(name + ".json", "w").write(json.dumps(document))
report = {"MessageType": "DeclarativeManagement", "UDID": "D", "Endpoint": "status", "Data": json.dumps(documents["status"]).encode()}
open("status.plist", "wb").write(plistlib.dumps(report))
push = os.path.join(repository, "tests/data/push")
pem = "".join(open(f"{push}/{name}.pem").read() for name in ["vendor", "intermediate", "root"])
text = lambda name: base64.b64encode(open(f"{push}/{name}", "rb").read()).decode()
upload = {"PushCertRequestCSR": text("request.der"), "PushCertCertificateChain": pem, "PushCertSignature": text("request.sig")}
open("upload.plist", "wb").write(plistlib.dumps(upload))
open("upload.b64", "wb").write(base64.encodebytes(plistlib.dumps(upload)))
open("number.json", "w").write('{"StatusItems": {"a": 18446744073709551616}}')
open("twice.json", "w").write('{"A": {"B": 1, "B": 2}}')
open("null.json", "w").write('{"A": [null]}')
open("deep.json", "w").write('{"A":' * 100_000)
stores = os.path.join(repository, "tests/data/keystore")
for name in ["chain.p12", "java.jks", "java.jceks", "gnutls.p12", "pbes2-SHA256.p8", "old-aes256.pem"]:
    shutil.copy(os.path.join(stores, name), name)
# A PKCS#12 whose MAC wants a billion iterations: refused before the first.
chain = open("chain.p12", "rb").read()
at = chain.rindex(b"\x02\x02\x08\x00")
open("billion.p12", "wb").write(longer(chain[:at] + b"\x02\x04\x3b\x9a\xca\x00" + chain[at + 4:], at, 2))
open("cut.p12", "wb").write(chain[:-1])
for name in ["ocsp.req.der", "ocsp.resp.der"]:
    shutil.copy(os.path.join(repository, "tests/data/x509", name), name)
open("detached.b64", "wb").write(base64.encodebytes(open("detached.der", "rb").read()))
csr = open("device.csr", "rb").read()
open("short.csr", "wb").write(csr[:-1])
open("odd.csr", "wb").write(csr[:7] + b"\x41" + csr[8:])
open("deep.der", "wb").write(b"\x30\x80" * 5_000_000)
open("deep.plist", "wb").write(b"<plist>" + b"<array>" * 1_000_000)
open("twice.plist", "wb").write(b"<plist><dict><key>Outer</key><dict><key>A</key><true/><key>A</key><true/></dict></dict></plist>")
open("empty", "wb").write(b" \n")
open("noise", "wb").write(bytes(range(128, 256)))
open("text", "wb").write(b"hello\n")
PYTHON
  rm -f ca.cnf index.txt* crlnumber* device.csr.pem
)
mapfile -t files < <(find "$made" -type f | sort)
run made --key "$made/pkcs1.key" --cert "$made/ca.pem" --password changeit --password secret --content "$made/enroll.mobileconfig" "${files[@]}"
check made "${files[@]}" <<'PYTHON'
kinds = {name: value["kind"] for name, value in said.items()}
assert kinds == {
    "ca.pem": "certificate", "device.cer": "certificate", "push.pem": "push-certificate", "device.csr": "csr", "list.pem": "crl",
    "list.crl": "crl", "chain.p7b": "ca-certificates", "enroll.mobileconfig": "profile", "signed.mobileconfig": "profile",
    "detached.der": "mdm-signature", "detached.b64": "mdm-signature", "sealed.der": "enveloped-data", "gcm.der": "enveloped-data",
    "agreed.der": "enveloped-data", "password.der": "enveloped-data", "command.plist": "command",
    "erase.plist": "command", "token.plist": "check-in", "array.plist": "plist", "ca.key": "private-key", "ec.key": "private-key",
    "sec1.key": "private-key", "pkcs1.key": "private-key", "pkcs8.der": "private-key", "locked.key": "private-key",
    "machine.plist": "machine-info", "manifest.plist": "app-manifest", "refusal.plist": "error-body", "bootstrap.plist": "check-in-answer",
    "declaration.json": "declaration", "items.json": "declaration-items", "tokens.json": "sync-tokens", "status.json": "status-report",
    "refusal.json": "error-body", "notification.json": "push-notification", "other.json": "json", "status.plist": "check-in",
    "upload.plist": "push-certificate-request", "upload.b64": "push-certificate-request", "chain.p12": "key-store",
    "java.jks": "key-store", "java.jceks": "key-store", "gnutls.p12": "key-store", "billion.p12": "key-store",
    "pbes2-SHA256.p8": "private-key", "old-aes256.pem": "private-key", "ocsp.req.der": "ocsp-request", "ocsp.resp.der": "ocsp-response",
}, kinds
sealed = {name: (said[name]["cipher"], [recipient["transport"] for recipient in said[name]["recipients"]]) for name in ["sealed.der", "gcm.der", "agreed.der", "password.der"]}
assert sealed == {
    "sealed.der": ("AES-128-CBC", ["RSA PKCS#1 v1.5"]), "gcm.der": ("AES-256-GCM", ["RSA PKCS#1 v1.5"]),
    "agreed.der": ("AES-128-CBC", ["ECDH on P-256, AES key wrap"]), "password.der": ("AES-128-CBC", ["a password, PBKDF2"]),
}, sealed
assert said["gcm.der"]["holds"]["kind"] == said["sealed.der"]["holds"]["kind"] == "profile"
assert said["agreed.der"]["recipients"][0]["serial"] == "07" and said["password.der"]["recipients"][0]["iterations"] >= 1
for name in ["chain.p12", "java.jks", "java.jceks", "gnutls.p12"]:
    assert said[name]["opened"], said[name]
assert [entry["algorithm"] for entry in said["chain.p12"]["entries"]] == ["ECDSA P-256"], said["chain.p12"]
assert len(said["chain.p12"]["entries"][0]["chain"]) == 2
assert not said["billion.p12"]["opened"] and "more iterations than the limit" in said["billion.p12"]["reason"], said["billion.p12"]
assert said["locked.key"]["encrypted"] and said["locked.key"]["algorithm"] == "RSA", said["locked.key"]
assert said["upload.b64"]["signature"] == said["upload.plist"]["signature"] == "verified", said["upload.plist"]
assert said["declaration.json"]["mismatches"] == [{"path": "Payload.RequirePasscode", "expected": "boolean", "found": "integer"}]
assert said["status.json"]["items"] == ["device.model.family", "mdm.push-magic"] and len(said["status.json"]["mismatches"]) == 1
assert said["ocsp.resp.der"]["answers"] and said["ocsp.req.der"]["certificates"]
assert all(said[name]["typed"] and not said[name]["mismatches"] for name in ["machine.plist", "manifest.plist", "tokens.json", "items.json"])
assert said["device.cer"]["signature"] == said["list.crl"]["signature"] == said["ca.pem"]["signature"] == "verified"
assert said["device.cer"]["verifiedAgainst"].startswith("--cert ") and said["device.cer"]["serial"] == "07"
assert said["list.crl"]["revoked"] == 1 and said["list.crl"]["entries"][0]["serial"] == "07", said["list.crl"]
assert said["device.csr"]["proofOfPossession"] == "verified"
assert said["push.pem"]["topic"] == "com.apple.mgmt.External.0c3e4d5f-6a7b-4c8d-9e0f-112233445566"
assert len(said["chain.p7b"]["certificates"]) == 2
assert said["signed.mobileconfig"]["signed"]["signature"] == "verified" and said["detached.der"]["signature"] == "verified"
assert said["detached.b64"]["signature"] == "verified" and said["detached.b64"]["base64"] and not said["detached.der"].get("base64")
assert said["sealed.der"]["holds"]["kind"] == "profile"
differs = [{"path": "Command.PreserveDataPlan", "expected": "boolean", "found": "string"}]
assert said["erase.plist"]["mismatches"] == differs, said["erase.plist"]
assert said["erase.plist"]["keysNotInSchema"] == 1 and said["command.plist"]["encoding"] == "binary"
assert said["locked.key"]["encrypted"] and said["sec1.key"]["encoding"] == "SEC 1" and said["pkcs8.der"]["bits"] == 2048
assert sorted(refused) == sorted(["short.csr", "odd.csr", "deep.der", "deep.plist", "twice.plist", "empty", "noise", "text",
    "number.json", "twice.json", "null.json", "deep.json", "cut.p12", "nested.der"]), sorted(refused)
assert "in A.B" in refused["twice.json"] and "in A[0]" in refused["null.json"] and "in StatusItems.a" in refused["number.json"], refused
assert "in Outer" in refused["twice.plist"], refused["twice.plist"]
PYTHON
! grep -q hunter2 "$work/made.json" "$work/made.err" || fail "a secret is printed: $(grep -o 'hunter2[-a-z]*' "$work/made.json" | sort -u)"
ok "each kind is recognised, signatures verified, damage refused in one line, and no secret printed (${#files[@]} files)"

run other --content "$made/ca.pem" "$made/detached.der" "$made/absent"
grep -q '"signature":"not verified"' "$work/other.json" || fail "a signature over another body is believed"
grep -qx "inspect: $made/absent: No such file.*" "$work/other.err" || fail "an absent file is not reported: $(cat "$work/other.err")"
run key --key "$made/text" "$made/ca.pem"
[ "$(cat "$work/key.code")" = 1 ] && [ "$(wc -l <"$work/key.err")" = 1 ] && [ ! -s "$work/key.json" ] || fail "a file that is no key is taken for one"
ok "another body, an absent file and a key that is none are told"

# damage OUTPUT FILE...: files cut and changed at sixteen places each. One line for each of them, on one of the two outputs, whatever
# they hold. Left out are those that are long by design, and a key store that takes half a second for every password.
damage() {
  local output=$1; shift
  python3 - "$work/$output" "$@" <<'PYTHON'
import os, sys
into, files = sys.argv[1], sys.argv[2:]
os.mkdir(into)
for number, path in enumerate(files):
    if os.path.getsize(path) > 100_000 or os.path.getsize(path) == 0 or path.endswith("gnutls.p12"):
        continue
    octets = open(path, "rb").read()
    for step in range(16):
        at = len(octets) * step // 16
        open(f"{into}/{number}-cut-{step}", "wb").write(octets[:at])
        open(f"{into}/{number}-flip-{step}", "wb").write(octets[:at] + bytes([octets[at] ^ 1 << step % 8]) + octets[at + 1:])
PYTHON
  local files
  mapfile -t files < <(find "$work/$output" -type f | sort)
  run "$output" "${keys[@]}" --password changeit "${files[@]}"
  [ "$(cat "$work/$output.code")" = 1 ] || fail "$output: exit code $(cat "$work/$output.code")"
  [ "$(cat "$work/$output.json" "$work/$output.err" | wc -l)" = "${#files[@]}" ] || fail "$output: not one line each"
  ! grep -v '^inspect: ' "$work/$output.err" || fail "$output: something else than an error"
  ok "$output: ${#files[@]} files, one line each"
}

keys=(--key "$made/pkcs1.key")
mapfile -t files < <(find "$made" -type f | sort)
damage damaged-made "${files[@]}"

# --- real captures ------------------------------------------------------------------------------------------------------------
if [ ! -d "$samples" ]; then
  echo "skipped: $samples is not there, so that real captures were not read"
  exit 0
fi
mapfile -t files < <(find "$samples" -type f | sort)
keys=()
for key in ca.key keys-micromdm-ca.key.pem keys-jscep-ca-ca.key.der keys-jscep-jscepca-client.key.der keys-strongswan-client.key.der; do
  keys+=(--key "$samples/scep/$key")
done
run real "${keys[@]}" --content "$samples/mdm-signature/mdmSignatureBody2.plist" "${files[@]}"
check real "${files[@]}" <<'PYTHON'
folder = lambda path: path.split("/")[-2]
kinds = {}
for path, value in paths.items():
    kinds.setdefault(folder(path), set()).add(value["kind"])
everything = {}
for path in files:
    everything.setdefault(folder(path), []).append(path)
for name in ["check-in", "reports", "profiles", "scep", "mdm-signature"]:
    assert all(path in paths for path in everything[name]), "not everything in " + name + " was read"
assert kinds["check-in"] == {"check-in"} and kinds["reports"] == {"report"} and kinds["profiles"] == {"profile"}, kinds
assert kinds["mdm-signature"] == {"mdm-signature", "report"}, kinds
assert kinds["scep"] == {"scep-message", "certificate", "ca-capabilities", "private-key"}, kinds

# Every message is of the type that its file is named after.
for path in everything["check-in"]:
    name = path.split("/")[-1]
    value = paths[path]
    assert name.startswith(value["messageType"]) and value["typed"] and not value["mismatches"], value
    assert "id" in value["enrollment"], value
assert said["TokenUpdate-macOS-10.12.2-user.xml"]["enrollment"]["kind"] == "User"
for path in everything["reports"]:
    name = path.split("/")[-1]
    value = paths[path]
    assert name.startswith(value.get("requestType") or value["status"]) and value["typed"] and not value["mismatches"], value

# What Apple documents is of the kind that it documents.
documented = {path.split("/")[-1]: paths[path] for path in everything["apple-docs"]}
json_kinds = {name: value["kind"] for name, value in documented.items() if name.endswith(".json")}
assert json_kinds == {
    "accountcaldav.1.json": "declaration", "assetcredentialacme.1.json": "declaration", "keyboardsettings.1.json": "declaration",
    "acmecredential.1.json": "credential", "enrolling-a-device-in-a-beta-program.2.json": "declaration-payload",
    "statusdevicemodelmarketingname.1.json": "status-items", "statusdevicesystemhealth.1.json": "status-items",
    "statusmdmenrollmenttype.1.json": "status-items", "statuspasscodeispresent.1.json": "status-items",
    "statustestarrayvalue.1.json": "status-items", "sending-mdm-commands-to-a-device.1.json": "push-notification",
    "handling-error-responses.3.json": "json",
}, json_kinds
for name, value in documented.items():
    if name.endswith(".plist"):
        assert value["kind"] == ("app-manifest" if name.startswith("manifesturl") else "profile"), (name, value["kind"])
    if value["kind"] not in ("json", "push-notification"):
        assert value["typed"] and (name == "acmecredential.1.json" or not value["mismatches"]), value

# Property lists: what must be refused is, the rest is read or refused with its place (checked above).
for path in everything["plist"]:
    name = path.split("/")[-1]
    assert name in refused or said[name]["kind"] == "plist", name
    assert ".failure." not in name or name in refused, name + " was read"
assert {"valid.plist", "comment.plist", "no-doctype.plist", "no-both.plist"} <= set(said)

# Signatures: all of them but the reply of NDES, which brings no certificate.
assert said["mdmSignatureHeader2.b64"]["signature"] == "verified", said["mdmSignatureHeader2.b64"]
messages = {name: value for name, value in said.items() if value["kind"] == "scep-message"}
for name, value in messages.items():
    verified = "not verified" if "ndes" in name else "verified"
    assert value["signature"] == verified, value
    opened = value.get("envelope", {}).get("openedWith")
    if name.endswith("-req.der") or name == "micromdm-PKCSReq.der":
        assert opened, name + " was not opened"
        assert value["csr"]["proofOfPossession"] == "verified", value
    elif value["pkiStatus"]["name"] == "SUCCESS":
        assert opened and len(value["certificates"]) == 1, value
assert len(messages) == 9, sorted(messages)
assert [messages[name]["pkiStatus"]["name"] for name in sorted(messages) if "resp" in name] == ["SUCCESS", "PENDING", "FAILURE", "SUCCESS"]
assert messages["strongswan6.0.6-micromdm-07-PKIOperation-req.der"]["messageType"] == {"name": "RenewalReq", "number": 17}
PYTHON
ok "samples: $(wc -l <"$work/real.json") files read, $(wc -l <"$work/real.err") refused with their place"

damage damaged-captures "${files[@]}"
