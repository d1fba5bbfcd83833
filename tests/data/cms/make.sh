#!/bin/sh
# Makes every file of this folder with the openssl command (3.0 or later). The keys are good for nothing but these tests.
set -eu
cd "$(dirname "$0")"

# Who signs and who receives.
openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 36500 -subj "/O=Example/CN=RSA signer" \
    -addext "keyUsage=critical,digitalSignature,keyEncipherment" -keyout rsa.key -out rsa.pem
openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 36500 -subj "/O=Example/CN=Another" -keyout other.key -out other.pem
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 36500 -subj "/CN=EC signer" \
    -keyout ec.key -out ec.pem
printf 'What is signed here is what is read there.\n' > content.txt

sign() { out=$1; shift; openssl cms -sign -binary -in content.txt -outform DER -out "$out" "$@"; }
sign sha256.der -nodetach -md sha256 -signer rsa.pem -inkey rsa.key
sign sha512.der -nodetach -md sha512 -signer rsa.pem -inkey rsa.key
sign sha1.der -nodetach -md sha1 -signer rsa.pem -inkey rsa.key
sign stream.ber -nodetach -stream -md sha256 -signer rsa.pem -inkey rsa.key
sign keyid.der -nodetach -keyid -md sha256 -signer rsa.pem -inkey rsa.key
sign ec.der -nodetach -md sha256 -signer ec.pem -inkey ec.key
sign detached.der -md sha256 -signer rsa.pem -inkey rsa.key
sign detached-noattr.der -noattr -md sha256 -signer rsa.pem -inkey rsa.key
sign two-signers.der -nodetach -md sha256 -signer rsa.pem -inkey rsa.key -signer ec.pem -inkey ec.key
sign no-certificates.der -nodetach -nocerts -md sha256 -signer rsa.pem -inkey rsa.key

encrypt() { out=$1; shift; openssl cms -encrypt -binary -in content.txt -outform DER -out "$out" "$@"; }
encrypt aes128.der -aes128 rsa.pem
encrypt aes192.der -aes192 rsa.pem
encrypt aes256-stream.ber -stream -aes256 rsa.pem
encrypt triple-des.der -des3 rsa.pem
encrypt single-des.der -provider legacy -provider default -des rsa.pem
encrypt rc2.der -provider legacy -provider default -rc2-128 rsa.pem
encrypt keyid-recipient.der -keyid -aes128 rsa.pem
encrypt two-recipients.der -aes128 other.pem rsa.pem
encrypt oaep-sha1.der -aes128 -recip rsa.pem -keyopt rsa_padding_mode:oaep
encrypt oaep-sha256.der -aes128 -recip rsa.pem -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256
encrypt password.der -aes128 -pwri_password secret
encrypt password-aes256.der -aes256 -pwri_password secret
encrypt ecdh.der -aes128 ec.pem
encrypt ecdh-sha256.der -aes128 -recip ec.pem -keyopt ecdh_kdf_md:sha256
encrypt ecdh-keyid.der -keyid -aes192 -recip ec.pem -keyopt ecdh_kdf_md:sha384
encrypt ecdh-aes256.der -aes256 -recip ec.pem -keyopt ecdh_kdf_md:sha512
encrypt gcm-aes128.der -aes-128-gcm rsa.pem
encrypt gcm-aes192.der -aes-192-gcm rsa.pem
encrypt gcm-aes256-stream.ber -stream -aes-256-gcm rsa.pem
encrypt gcm-ecdh.der -aes-256-gcm -recip ec.pem -keyopt ecdh_kdf_md:sha256
encrypt mixed.der -aes128 -recip ec.pem -recip rsa.pem -pwri_password secret

# Certificates alone, and with a revocation list.
openssl crl2pkcs7 -nocrl -certfile rsa.pem -certfile ec.pem -outform DER -out certificates-only.der
openssl x509 -in rsa.pem -outform DER -out rsa.der
