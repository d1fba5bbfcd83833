#!/bin/sh
# Writes vectors.txt: lines of a name and octets in hex. Needs OpenSSL 3 with its legacy provider (for DES), and xxd.
# Keys, ECDSA signatures and padding differ at each run; the tests hold for any.
set -eu
out=$(cd "$(dirname "$0")" && pwd)/vectors.txt
cd "$(mktemp -d)"
exec >"$out"

put() { printf '%s %s\n' "$1" "$(xxd -p -c 100000 "$2")"; }
repeat() { i=0; while [ $i -lt "$2" ]; do printf '%s' "$1"; i=$((i + 1)); done; }

printf 'The quick brown fox jumps over the lazy dog' >message
put message message

# Private keys in PKCS#8, and their public halves.
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -outform DER -out rsa2048
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -outform DER -out rsa1024
openssl genpkey -quiet -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -outform DER -out rsa-pss
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -outform DER -out p256
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -outform DER -out p384
openssl genpkey -quiet -algorithm ED25519 -outform DER -out ed25519
for key in rsa2048 rsa1024 rsa-pss p256 p384 ed25519; do
    put $key $key
    openssl pkey -inform DER -in $key -pubout -outform DER -out $key.pub
    put $key.pub $key.pub
done

# The same keys in PKCS#1 and SEC 1, and under a password.
openssl rsa -inform DER -in rsa2048 -traditional -outform DER -out rsa2048.pkcs1 2>/dev/null
openssl ec -inform DER -in p256 -outform DER -out p256.sec1 2>/dev/null
openssl pkcs8 -topk8 -inform DER -in p256 -outform DER -passout pass:x -out p256.encrypted
for key in rsa2048.pkcs1 p256.sec1 p256.encrypted; do put $key $key; done

# Signatures over the message.
for key in rsa2048 rsa1024; do
    for digest in sha1 sha256 sha384 sha512; do
        openssl dgst -$digest -sign $key -keyform DER -out signature message
        put $key.$digest signature
    done
done
for key in p256 p384; do
    for digest in sha256 sha384; do
        openssl dgst -$digest -sign $key -keyform DER -out signature message
        put $key.$digest signature
    done
done

# Digests and HMACs of the message.
for digest in sha1 sha256 sha384 sha512; do
    printf 'digest.%s %s\n' $digest "$(openssl dgst -$digest -r message | cut -d' ' -f1)"
    for length in 4 200; do
        printf 'hmac%s.%s %s\n' $length $digest \
            "$(openssl dgst -$digest -mac HMAC -macopt hexkey:"$(repeat 6b $length)" -r message | cut -d' ' -f1)"
    done
done

# The content key 00 01 … 0f under the RSA key.
key=000102030405060708090a0b0c0d0e0f
printf %s $key | xxd -r -p >content-key
encrypt() { openssl pkeyutl -encrypt -pubin -inkey rsa2048.pub -keyform DER "$@" -out wrapped; }
encrypt -in content-key -pkeyopt rsa_padding_mode:pkcs1
put wrapped.pkcs1 wrapped
encrypt -in content-key -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha1
put wrapped.oaep-sha1 wrapped
encrypt -in content-key -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256
put wrapped.oaep-sha256 wrapped
encrypt -in content-key -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha1
put bad-oaep.mask wrapped

# Blocks of 256 octets that are no PKCS#1 v1.5 padding of a 16-octet key, encrypted as they are.
bad() {
    printf %s "$2" | xxd -r -p >block
    encrypt -in block -pkeyopt rsa_padding_mode:none
    put bad.$1 wrapped
}
bad first-octet "0102$(repeat a5 237)00$key"
bad block-type "0001$(repeat a5 237)00$key"
bad block-type-zero "0000$(repeat a5 237)00$key"
bad no-separator "0002$(repeat a5 254)"
bad short-padding "0002$(repeat a5 7)00$(repeat a5 230)$key"
bad separator-in-padding "0002$(repeat a5 4)00$(repeat a5 232)00$key"
bad empty-key "0002$(repeat a5 253)00"
bad short-key "0002$(repeat a5 245)000001020304050607"
bad long-key "0002$(repeat a5 229)00${key}1011121314151617"
bad all-zero-block "$(repeat 00 256)"

# Content: the message, and 48 octets, which take a whole block of padding.
printf '%s' "$(repeat 61 48)" | xxd -r -p >blocks
enc() {
    for content in message blocks; do
        openssl enc -provider legacy -provider default -$1 -K "$2" -iv "$3" -in $content -out sealed
        put $1.$content sealed
    done
}
iv=f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff
enc aes-128-cbc $key $iv
enc aes-192-cbc ${key}1011121314151617 $iv
enc aes-256-cbc ${key}101112131415161718191a1b1c1d1e1f $iv
enc des-ede3-cbc ${key}1011121314151617 f0f1f2f3f4f5f6f7
enc des-cbc 0001020304050607 f0f1f2f3f4f5f6f7
