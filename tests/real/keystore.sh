#!/usr/bin/env bash
# Four programs that nobody here wrote read the backup of a certificate authority: OpenSSL, GnuTLS, Java and NSS.
#
# Needs: a release build of the example `keystore`; openssl, gnutls-bin, a Java runtime (keytool), libnss3-tools (pk12util).
set -euo pipefail
cd "$(dirname "$0")/../.."
example=${MDM_CORE_EXAMPLES:-$PWD/${CARGO_TARGET_DIR:-target}/release/examples}/keystore
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
ok() { echo "ok: $*"; }

"$example" "$work"
cd "$work"
password=$(cat backup.pass)
# The public keys that must come out, one a line.
for name in authority signing; do openssl x509 -in $name.pem -noout -pubkey; done >wanted.pub

# --- OpenSSL ----------------------------------------------------------------------------------------------------------------
openssl pkcs12 -in backup.p12 -passin file:backup.pass -nodes -out all.pem || fail "OpenSSL does not read the backup"
openssl pkcs12 -in backup.p12 -passin file:backup.pass -noout -info 2>info
grep -q "MAC: sha256, Iteration 600000" info || { cat info; fail "the MAC is not SHA-256 with 600,000 iterations"; }
[ "$(grep -c "PBES2, PBKDF2, AES-256-CBC, Iteration 600000, PRF hmacWithSHA256" info)" = 3 ] ||
  { cat info; fail "not everything is under AES-256 and 600,000 iterations"; }
[ "$(grep -c "BEGIN CERTIFICATE" all.pem)" = 2 ] || fail "OpenSSL does not find two certificates"
awk '/BEGIN PRIVATE KEY/ { n++ } n { print > ("key-" n ".pem") }' all.pem
for n in 1 2; do openssl pkey -in key-$n.pem -pubout; done >openssl.pub
diff wanted.pub openssl.pub || fail "OpenSSL finds other keys"
openssl pkey -in key.pem -passin file:backup.pass -pubout | diff <(openssl x509 -in authority.pem -noout -pubkey) - ||
  fail "OpenSSL finds another key in key.pem"
if openssl pkcs12 -in backup.p12 -passin pass:wrong -noout 2>/dev/null; then fail "OpenSSL takes a wrong password"; fi
ok "OpenSSL reads the backup and the encrypted key"

# --- GnuTLS -----------------------------------------------------------------------------------------------------------------
certtool --p12-info --inder --infile backup.p12 --password "$password" >gnutls.txt 2>gnutls.err || { cat gnutls.err; fail "GnuTLS does not read the backup"; }
if grep -qi "error" gnutls.err; then cat gnutls.err; fail "GnuTLS reads only a part of the backup"; fi
[ "$(grep -c "BEGIN CERTIFICATE" gnutls.txt)" = 2 ] || { cat gnutls.txt; fail "GnuTLS does not find two certificates"; }
[ "$(grep -c "Friendly name: signing" gnutls.txt)" = 2 ] || { cat gnutls.txt; fail "GnuTLS does not find the alias"; }
certtool --key-info --infile key.pem --password "$password" >/dev/null || fail "GnuTLS does not read the encrypted key"
ok "GnuTLS reads the backup and the encrypted key"

# --- Java -------------------------------------------------------------------------------------------------------------------
keytool -list -v -keystore backup.p12 -storepass "$password" >java.txt || { cat java.txt; fail "Java does not read the backup"; }
[ "$(grep -c "Entry type: PrivateKeyEntry" java.txt)" = 2 ] || { cat java.txt; fail "Java does not find two entries"; }
grep -A 3 "Alias name: signing" java.txt | grep -q "Certificate chain length: 2" || { cat java.txt; fail "Java does not find the chain"; }
keytool -importkeystore -noprompt -srckeystore backup.p12 -srcstorepass "$password" -destkeystore java.p12 -deststoretype PKCS12 \
  -deststorepass "$password" 2>/dev/null || fail "Java does not open the keys"
openssl pkcs12 -in java.p12 -passin file:backup.pass -nodes -nocerts | awk '/BEGIN PRIVATE KEY/ { n++ } n { print > ("java-" n ".pem") }'
for n in 1 2; do openssl pkey -in java-$n.pem -pubout; done | sort >java.pub
sort wanted.pub | diff - java.pub || fail "Java finds other keys"
ok "Java reads the backup, its chain and its keys"

# --- NSS --------------------------------------------------------------------------------------------------------------------
mkdir nss
certutil -N -d sql:nss --empty-password
pk12util -i backup.p12 -W "$password" -d sql:nss >nss.txt 2>&1 || { cat nss.txt; fail "NSS does not import the backup"; }
[ "$(certutil -K -d sql:nss | grep -cE 'authority|signing')" = 2 ] || { certutil -K -d sql:nss; fail "NSS does not find two keys"; }
ok "NSS imports the backup with both keys"
