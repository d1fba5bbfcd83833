#!/bin/sh
# Makes every file of this folder with the openssl command (3.0 or later). The keys are good for nothing but these tests.
set -eu
cd "$(dirname "$0")"
for who in ca ra device stranger; do
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$who.key" 2>/dev/null
done
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.key

# A request as openssl makes it, with a challenge.
cat > request.cnf <<'CNF'
[req]
prompt = no
distinguished_name = name
attributes = attributes
[name]
O = Example
CN = iPhone
[attributes]
challengePassword = open sesame
CNF
openssl req -new -key device.key -config request.cnf -outform DER -out request.der
rm request.cnf
