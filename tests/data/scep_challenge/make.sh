#!/bin/sh
# Makes the calls of a webhook as step-ca signs them: a body, and its HMAC-SHA-256 by openssl (3.0 or later). The request is that of ../scep.
set -eu
cd "$(dirname "$0")"
csr=$(base64 -w 0 ../scep/request.der)
printf '{"timestamp":"2026-01-01T00:00:00.25Z","provisionerName":"wifi","x509CertificateRequest":{"raw":"%s","publicKey":"","publicKeyAlgorithm":"RSA"},"scepChallenge":"open sesame","scepTransactionID":"ABC-1"}' "$csr" > validate.json
printf '{"timestamp":"2026-01-01T00:00:00.25Z","x509CertificateRequest":{"raw":"%s"},"scepTransactionID":"ABC-1","scepErrorCode":7,"scepErrorDescription":"the authority is closed"}' "$csr" > failed.json
for body in validate failed; do
    openssl dgst -sha256 -hmac 'a key of the webhook' -hex "$body.json" | sed 's/.*= //' > "$body.hmac"
done
