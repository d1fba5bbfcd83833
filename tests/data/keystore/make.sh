#!/usr/bin/env bash
# Makes every file of this folder with openssl (3.0 or later), keytool (Java 17) and certtool (GnuTLS 3.7).
# The keys are good for nothing but these tests; every password is in tests/keystore.rs.
set -euo pipefail
cd "$(dirname "$0")"
rm -f ./*.{key,pem,der,p12,jks,jceks,p8}
old="-provider legacy -provider default"

# An authority, a signing certificate under it, and a certificate that stands alone.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 36500 -subj "/O=Example/CN=Example CA" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout ca.key -out ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -subj "/O=Example/CN=Signing" -keyout signing.key |
    openssl x509 -req -sha256 -days 36500 -CA ca.pem -CAkey ca.key -out signing.pem \
    -extfile <(printf 'basicConstraints=critical,CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n')
openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 36500 -subj "/CN=Alone" -keyout alone.key -out alone.pem

# PKCS#12 by OpenSSL. `small` costs one iteration, for the tests that open it thousands of times.
p12() { out=$1; shift; openssl pkcs12 -export -inkey signing.key -in signing.pem -out "$out" "$@"; }
with() { out=$1; shift; p12 "$out" -certfile ca.pem -name "signing" -passout pass:changeit "$@"; }
with chain.p12
with small.p12 -iter 1
with sha1.p12 -keypbe AES-128-CBC -certpbe AES-192-CBC -macalg sha1
with sha384.p12 -macalg sha384
with sha512.p12 -macalg sha512
with triple-des.p12 -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-2DES -macalg sha1
with small-old.p12 $old -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-RC2-40 -macalg sha1 -iter 1
with rc2.p12 $old -keypbe PBE-SHA1-RC2-128 -certpbe PBE-SHA1-RC2-40 -macalg sha1
with rc4.p12 $old -keypbe PBE-SHA1-RC4-128 -certpbe PBE-SHA1-RC4-128 -macalg sha1
with plain.p12 -keypbe NONE -certpbe NONE
with no-mac.p12 -nomac
p12 unnamed.p12 -passout pass:changeit
p12 unicode.p12 -passout 'pass:Grüße €😀'
p12 unicode-old.p12 -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -passout 'pass:Grüße €😀'
p12 empty.p12 -passout pass:
p12 empty-old.p12 -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -passout pass:
p12 empty-no-mac.p12 -nomac -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -passout pass:
openssl pkcs12 -export -nokeys -in ca.pem -passout pass:changeit -out certificates.p12

# PKCS#12 by GnuTLS, which takes 600,000 iterations: with a password and with none at all.
gnutls() { out=$1; shift; certtool --to-p12 --load-certificate signing.pem --load-privkey signing.key --p12-name signing \
    --outder --outfile "$out" "$@"; }
gnutls gnutls.p12 --password changeit --load-ca-certificate ca.pem --pkcs-cipher aes-256
gnutls gnutls-null.p12 --null-password --pkcs-cipher 3des-pkcs12

# Java: two keys and a trusted certificate in each of its formats, and a secret key where it takes one.
openssl pkcs12 -export -inkey alone.key -in alone.pem -name Alone -passout pass:changeit -out alone.p12
store() { # FILE TYPE
    for one in chain alone; do
        keytool -importkeystore -noprompt -srckeystore $one.p12 -srcstorepass changeit -destkeystore "$1" -deststoretype "$2" \
            -deststorepass changeit
    done
    keytool -importcert -noprompt -alias trusted -file ca.pem -keystore "$1" -storetype "$2" -storepass changeit
}
store java.p12 PKCS12
store java.jks JKS
keytool -genseckey -alias before -keyalg AES -keysize 128 -keystore java.jceks -storetype JCEKS -storepass changeit -keypass changeit
store java.jceks JCEKS
keytool -genseckey -alias after -keyalg DESede -keystore java.jceks -storetype JCEKS -storepass changeit -keypass changeit
keytool -importkeystore -noprompt -srckeystore chain.p12 -srcstorepass changeit -destkeystore small.jks -deststoretype JKS \
    -deststorepass changeit
keytool -J-Djdk.jceks.iterationCount=10000 -importkeystore -noprompt -srckeystore chain.p12 -srcstorepass changeit \
    -destkeystore small.jceks -deststoretype JCEKS -deststorepass changeit
cp small.jks own-password.jks
keytool -keypasswd -alias signing -keypass changeit -new "another" -keystore own-password.jks -storepass changeit
cp small.jceks own-password.jceks
keytool -J-Djdk.jceks.iterationCount=10000 -keypasswd -alias signing -keypass changeit -new "another" -keystore own-password.jceks \
    -storepass changeit -storetype JCEKS
rm alone.p12

# Private keys alone.
p8() { out=$1; shift; openssl pkcs8 -topk8 -in signing.key -outform DER -passout pass:changeit -out "$out" "$@"; }
for hash in SHA1 SHA224 SHA256 SHA384 SHA512; do p8 pbes2-$hash.p8 -v2 aes-256-cbc -v2prf hmacWith$hash; done
p8 pbes2-aes128.p8 -v2 aes-128-cbc
p8 pbes2-aes192.p8 -v2 aes-192-cbc
p8 pbes2-des3.p8 -v2 des3
p8 small.p8 -v2 aes-128-cbc -iter 1
p8 scrypt.p8 -scrypt
p8 pbe-3des.p8 -v1 PBE-SHA1-3DES
p8 pbe-rc2.p8 $old -v1 PBE-SHA1-RC2-40
p8 pbe-md5-des.p8 $old -v1 PBE-MD5-DES
openssl pkcs8 -topk8 -in signing.key -passout pass:changeit -out pkcs8.pem
openssl pkcs8 -topk8 -nocrypt -in signing.key -outform DER -out plain.p8
for cipher in aes128 aes192 aes256 des3; do
    openssl ec -in signing.key -passout pass:changeit -$cipher -out old-$cipher.pem
done
openssl ec $old -in signing.key -passout pass:changeit -des -out old-des.pem
openssl rsa -traditional -in alone.key -passout pass:changeit -aes256 -out old-rsa.pem
