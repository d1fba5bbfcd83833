#!/usr/bin/env bash
# What the certificate authority makes, before judges that nobody here wrote: OpenSSL, GnuTLS, Java and pkilint.
#
# Needs: a release build of the example `artefacts`; openssl, gnutls-bin (certtool, ocsptool), a Java runtime (keytool), python3, and
# pkilint from PyPI: the directory of its programs in $PKILINT, or on PATH.
set -euo pipefail
cd "$(dirname "$0")/../.."
example=${MDM_CORE_EXAMPLES:-$PWD/${CARGO_TARGET_DIR:-target}/release/examples}/artefacts
lint=$PWD/tests/real/lint.py
python=python3
if [ -n "${PKILINT:-}" ]; then
  python=$PKILINT/python
elif command -v lint_pkix_cert >/dev/null; then
  # The interpreter that the programs were installed for.
  python=$(sed -n "1s/^#!//p" "$(command -v lint_pkix_cert)")
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
ok() { echo "ok: $*"; }
refused() { # WHAT COMMAND... : the command must fail
  local what=$1; shift
  if "$@" >refused.txt 2>&1; then cat refused.txt; fail "$what"; fi
}

openssl_judges() {
  openssl verify -x509_strict -CAfile ca.pem ra.pem ocsp.pem device.pem device-revoked.pem web.pem recipient.pem >/dev/null ||
    fail "OpenSSL does not verify the certificates"
  openssl verify -x509_strict -purpose sslserver -verify_hostname mdm.example.com -CAfile ca.pem web.pem >/dev/null ||
    fail "OpenSSL does not take web.pem for mdm.example.com"
  openssl verify -x509_strict -purpose sslclient -CAfile ca.pem device.pem >/dev/null || fail "OpenSSL takes device.pem for no client"
  refused "OpenSSL takes the web server's certificate for another name" \
    openssl verify -purpose sslserver -verify_hostname other.example.com -CAfile ca.pem web.pem
  # Renewed: the same key, so that what was issued before verifies under the new certificate. New key: through the certificates across.
  openssl verify -x509_strict -CAfile ca-renewed.pem device.pem ra.pem >/dev/null || fail "OpenSSL: not under the renewed authority"
  sed -n '1,/END/p' ca-rekeyed.pem >rekeyed-root.pem
  openssl verify -x509_strict -CAfile rekeyed-root.pem -untrusted old-with-new.pem device.pem >/dev/null ||
    fail "OpenSSL: who trusts the new key alone does not believe what the old one signed"
  openssl verify -x509_strict -CAfile ca-renewed.pem new-with-old.pem >/dev/null ||
    fail "OpenSSL: who trusts the old key alone does not believe the new one"
  [ "$(grep -c "BEGIN CERTIFICATE" ca-rekeyed.pem)" = 3 ] || fail "ca-rekeyed.pem holds something else than three certificates"
  ok "OpenSSL verifies every certificate, renewed and rekeyed authority included"

  for list in crl-1 crl-2 crl-3 delta part-0 part-1 part-2 part-3; do
    openssl crl -inform DER -in $list.der -CAfile ca.pem -noout 2>&1 | grep -q "verify OK" || fail "OpenSSL: signature of $list"
    openssl crl -inform DER -in $list.der -out $list.pem
  done
  number() { openssl crl -inform DER -in "$1" -noout -crlnumber | sed 's/.*=0x//'; }
  [[ 0x$(number crl-1.der) -lt 0x$(number crl-2.der) && 0x$(number crl-2.der) -lt 0x$(number crl-3.der) ]] || fail "numbers do not rise"
  [ "$(number delta.der)" = "$(number crl-3.der)" ] || fail "the delta list has another number than the full one beside it"
  openssl verify -x509_strict -crl_check -CRLfile crl-2.pem -CAfile ca.pem device-revoked.pem >/dev/null ||
    fail "OpenSSL: revoked before it was"
  openssl verify -x509_strict -crl_check -CRLfile crl-3.pem -CAfile ca.pem device.pem >/dev/null || fail "OpenSSL: device.pem with crl-3"
  revoked_by() { # CRL FILE CERTIFICATE [OPTION...]
    refused "OpenSSL does not find $2 on $1 (${*:3})" openssl verify -x509_strict -crl_check "${@:3}" -CRLfile "$1" -CAfile ca.pem "$2"
    grep -q "certificate revoked" refused.txt || { cat refused.txt; fail "$2 with $1: refused for another reason"; }
  }
  revoked_by crl-3.pem device-revoked.pem
  openssl verify -crl_check -CRLfile crl-3.pem -CAfile ca-renewed.pem device.pem >/dev/null ||
    fail "OpenSSL: the list does not go on under the renewed authority"
  # The older list and the delta list together say what the newer list says.
  cat crl-2.pem delta.pem >both.pem
  revoked_by both.pem device-revoked.pem -use_deltas -extended_crl
  for part in 0 1 2 3; do
    revoked_by part-$part.pem part-$part-revoked.pem -extended_crl
    refused "OpenSSL takes another part for that of part-$part-revoked.pem" openssl verify -crl_check -extended_crl \
      -CRLfile part-$(((part + 1) % 4)).pem -CAfile ca.pem part-$part-revoked.pem
    grep -qi "different CRL scope" refused.txt || { cat refused.txt; fail "refused for another reason"; }
  done
  ok "OpenSSL reads full, delta and partitioned lists as they are meant"

  status() { # NAME CERTIFICATE-OPTIONS... : the answer verifies and fits its question; then what it says
    openssl ocsp -reqin "ocsp-$1.req.der" -respin "ocsp-$1.resp.der" -issuer ca.pem -CAfile ca.pem >status.txt 2>status.err ||
      { cat status.err; fail "OpenSSL does not take the answer ocsp-$1"; }
    grep -q "Response verify OK" status.err || { cat status.err; fail "OpenSSL does not verify the answer ocsp-$1"; }
    ! grep -q "WARNING: no nonce" status.err || fail "the answer ocsp-$1 has no nonce"
    # With a certificate named, OpenSSL makes a question of its own, whose nonce nobody can have answered.
    [ $# = 1 ] || openssl ocsp -no_nonce -respin "ocsp-$1.resp.der" -issuer ca.pem "${@:2}" -CAfile ca.pem >status.txt 2>&1 ||
      { cat status.txt; fail "OpenSSL does not find the certificate in the answer ocsp-$1"; }
  }
  says() { grep -q "$1" status.txt || { cat status.txt; fail "OpenSSL reads another status than $1"; }; }
  status good -cert device.pem; says "device.pem: good"
  status revoked -sha256 -cert device-revoked.pem; says "device-revoked.pem: revoked"; says "Reason: keyCompromise"
  status unknown; openssl ocsp -respin ocsp-unknown.resp.der -noverify -text >unknown.txt
  grep -q "Cert Status: unknown" unknown.txt || fail "never issued, and not unknown"
  status prepared -cert device.pem; says "device.pem: good"
  status several -cert device.pem; says "device.pem: good"
  [ "$(openssl ocsp -respin ocsp-several.resp.der -noverify -text | grep -c "Cert Status")" = 3 ] || fail "not three answers"
  refused "OpenSSL takes an error for an answer" openssl ocsp -respin ocsp-malformed.resp.der -noverify
  grep -q "malformedrequest (1)" refused.txt || fail "no malformedRequest"
  ok "OpenSSL reads every OCSP answer"

  openssl cms -verify -inform DER -in signed.der -CAfile ca.pem -out verified.bin 2>/dev/null || fail "OpenSSL: signed.der"
  cmp verified.bin content.bin || fail "signed.der holds other content"
  openssl cms -decrypt -inform DER -in enveloped.der -inkey recipient.key.pem -recip recipient.pem -out decrypted.bin ||
    fail "OpenSSL: enveloped.der"
  cmp decrypted.bin content.bin || fail "enveloped.der holds other content"
  openssl pkcs12 -in backup.p12 -passin file:backup.pass -nodes -out backup.txt || fail "OpenSSL: backup.p12"
  openssl pkcs12 -in backup.p12 -passin file:backup.pass -noout -info 2>&1 | grep -q "MAC: sha256, Iteration 600000" || fail "MAC of the backup"
  grep -A 99 "friendlyName: authority 1" backup.txt | sed -n '/BEGIN PRIVATE/,/END PRIVATE/p' | openssl pkey -pubout |
    diff - <(openssl x509 -in ca.pem -noout -pubkey) || fail "the backup holds another key"
  ok "OpenSSL reads CMS and the backup"
}

gnutls_judges() {
  for file in ra device device-revoked web ocsp recipient; do
    certtool --verify --load-ca-certificate ca.pem --infile $file.pem >gnutls.txt 2>&1 || { cat gnutls.txt; fail "GnuTLS: $file.pem"; }
  done
  certtool --verify --load-ca-certificate ca-renewed.pem --infile device.pem >gnutls.txt 2>&1 || fail "GnuTLS: not under the renewed authority"
  for list in crl-1 crl-2 crl-3 delta part-0; do
    certtool --verify-crl --load-ca-certificate ca.pem --infile $list.pem >gnutls.txt 2>&1 || { cat gnutls.txt; fail "GnuTLS: $list"; }
    grep -q "Verification output: Verified" gnutls.txt || { cat gnutls.txt; fail "GnuTLS: $list"; }
  done
  refused "GnuTLS does not find the revoked device" \
    certtool --verify --load-ca-certificate ca.pem --load-crl crl-3.pem --infile device-revoked.pem
  certtool --verify --load-ca-certificate ca.pem --load-crl crl-3.pem --infile device.pem >gnutls.txt 2>&1 || fail "GnuTLS: device.pem with crl-3"
  for answer in good revoked unknown several prepared; do
    ocsptool --verify-response --load-trust ca.pem --infile ocsp-$answer.resp.der <ocsp-$answer.resp.der >gnutls.txt 2>&1 ||
      { cat gnutls.txt; fail "GnuTLS: ocsp-$answer"; }
    ocsptool --request-info --infile ocsp-$answer.req.der >/dev/null || fail "GnuTLS: question ocsp-$answer"
  done
  ocsptool --response-info --infile ocsp-revoked.resp.der | grep -q "Certificate Status: revoked" || fail "GnuTLS: not revoked"
  certtool --p12-info --inder --infile backup.p12 --password "$(cat backup.pass)" >gnutls.txt 2>gnutls.err || { cat gnutls.err; fail "GnuTLS: backup"; }
  ok "GnuTLS reads certificates, lists, answers and the backup"
}

java_judges() {
  for file in ca ca-renewed ca-rekeyed ra device web; do keytool -printcert -file $file.pem >/dev/null || fail "Java: $file.pem"; done
  for list in crl-1 crl-3 delta part-0; do keytool -printcrl -file $list.der >java.txt 2>&1 || { cat java.txt; fail "Java: $list"; }; done
  keytool -list -v -keystore backup.p12 -storepass "$(cat backup.pass)" >java.txt || { cat java.txt; fail "Java: backup"; }
  [ "$(grep -c "Entry type: PrivateKeyEntry" java.txt)" = 3 ] || { cat java.txt; fail "Java does not find three entries"; }
  ok "Java reads certificates, lists and the backup"
}

exports_judged() {
  python3 - <<'PYTHON' || fail "the lists differ"
import csv, xml.etree.ElementTree as tree
rows = int(open("certificates.rows").read())
bare = lambda cell: cell[1:] if cell.startswith("'") else cell
with open("certificates.csv", encoding="utf-8-sig", newline="") as file: table = list(csv.reader(file))
with open("certificates.txt", encoding="utf-8", newline="") as file: text = [l.split("\t") for l in file.read().removesuffix("\r\n").split("\r\n")]
xml = [[cell.text or "" for cell in row] for row in tree.parse("certificates.xml").getroot()]
assert len(table) == len(text) == rows + 1 and len(xml) == rows, (len(table), len(text), len(xml), rows)
assert table == text, "CSV and text"
assert [[bare(c) for c in row] for row in table[1:]] == xml, "CSV and XML"
assert not any(cell[:1] in "=+-@\t\r" for row in table for cell in row if cell), "a formula"
assert table[0] == [cell.tag for cell in tree.parse("certificates.xml").getroot()[0]]
PYTHON
  ok "the three lists are one list"
}

pkilint_judges() {
  "$python" "$lint" . || fail "pkilint found something that is not known"
  ok "pkilint has nothing against any certificate, list or answer"
}

for key in "" --elliptic; do
  mkdir "$work/one$key"
  # Once with many of each.
  "$example" "$work/one$key" $key $([ -n "$key" ] && echo --many)
  cd "$work/one$key"
  echo "--- ${key:-rsa}"
  openssl_judges
  gnutls_judges
  java_judges
  exports_judged
  pkilint_judges
done

cd many
[ "$(ls certificates | wc -l) $(ls lists | wc -l) $(ls answers/*.resp.der | wc -l)" = "1000 50 200" ] || fail "not 1,000 certificates, 50 lists, 200 answers"
openssl verify -x509_strict -CAfile ../ca.pem certificates/*.pem >/dev/null || fail "OpenSSL: one of 1,000 certificates"
for list in lists/*.der; do
  openssl crl -inform DER -in "$list" -CAfile ../ca.pem -noout 2>&1 | grep -q "verify OK" || fail "OpenSSL: $list"
done
for answer in answers/*.resp.der; do
  openssl ocsp -reqin "${answer/resp/req}" -respin "$answer" -issuer ../ca.pem -CAfile ../ca.pem 2>&1 | grep -q "Response verify OK" ||
    fail "OpenSSL: $answer"
done
# Who is on the last list is who the answers call revoked.
openssl crl -inform DER -in lists/last.der -noout -text | sed -n 's/.*Serial Number: //p' | sort >listed
for answer in answers/*.resp.der; do openssl ocsp -respin "$answer" -noverify -text; done >answers.txt
awk '/Serial Number:/ { serial = $3 } /Cert Status: revoked/ { print serial }' answers.txt | sort -u >revoked
awk '/Serial Number:/ { serial = $3 } /Cert Status: good/ { print serial }' answers.txt | sort -u >good
[ -s revoked ] && [ -s good ] || fail "the answers are not of all kinds"
[ -z "$(comm -23 revoked listed)" ] || fail "revoked by OCSP, and not on the list"
[ -z "$(comm -12 good listed)" ] || fail "good by OCSP, and on the list"
ok "OpenSSL takes 1,000 certificates, 50 lists and 200 answers, which agree with each other"
