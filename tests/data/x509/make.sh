#!/bin/sh
# Makes the known answers of this folder with the openssl command (3.0). Run from this folder; the keys are good for nothing else.
set -e
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out ca.key
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out leaf.key
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out weak.key

# A root, a certificate of a device under it with every extension that has a type here, one of version 1, one beyond 2049.
openssl req -x509 -new -key ca.key -sha256 -days 3650 -subj '/C=DE/O=Example/CN=Example Certificate Authority' \
    -addext 'basicConstraints=critical,CA:TRUE,pathlen:1' -addext 'keyUsage=critical,keyCertSign,cRLSign' -out ca.pem
cat > leaf.cnf <<'X'
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,keyAgreement,decipherOnly
extendedKeyUsage = clientAuth,1.2.3.4.5
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:device.example,email:a@example.com,URI:https://example.com/x,IP:192.0.2.7,IP:2001:db8::7,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:user@example.com,RID:1.2.3,dirName:dir
crlDistributionPoints = URI:http://example.com/crl
authorityInfoAccess = OCSP;URI:http://example.com/ocsp,caIssuers;URI:http://example.com/ca
1.3.6.1.5.5.7.48.1.5 = ASN1:NULL
1.2.840.113635.100.6.3.2 = critical,ASN1:UTF8String:anything
[dir]
CN = Directory
X
openssl req -new -key leaf.key -subj '/UID=com.apple.mgmt.External.7/CN=Device 7/C=US' -out leaf.csr
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 0x9C0123456789ABCDEF -days 365 -sha256 \
    -extfile leaf.cnf -out leaf.pem
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial -7 -days 365 -sha384 -out v1.pem
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 0 -days 20000 -sha1 -extfile leaf.cnf -out sha1-2081.pem

# Requests: with challenge and extensions, without attributes, weak and old, with the older label.
cat > csr.cnf <<'X'
[req]
distinguished_name = dn
attributes = attributes
req_extensions = extensions
prompt = no
string_mask = utf8only
[dn]
CN = Device 7
[attributes]
challengePassword = open sesame
unstructuredName = whatever
[extensions]
keyUsage = digitalSignature
subjectAltName = DNS:device.example
X
openssl req -new -key leaf.key -config csr.cnf -out full.csr
openssl req -new -newhdr -key ca.key -sha512 -subj / -out empty.csr
openssl req -new -key weak.key -sha1 -subj '/CN=weak' -out weak.csr


# Revocation lists: of version 2 with every reason that openssl writes and an invalidity date, and of version 1 without entries.
cat > ca.cnf <<'X'
[ca]
default_ca = authority
[authority]
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = 7
[list]
authorityKeyIdentifier = keyid
X
printf '0C\n' > crlnumber
{
    printf 'R\t301231235959Z\t260101000000Z\t01\tunknown\t/CN=a\n'
    printf 'R\t301231235959Z\t260102000000Z,keyCompromise\t02\tunknown\t/CN=b\n'
    printf 'R\t301231235959Z\t260103000000Z,keyTime,20251224180000Z\t9C0123456789ABCDEF\tunknown\t/CN=c\n'
    printf 'R\t301231235959Z\t260104000000Z,holdInstruction,holdInstructionReject\t04\tunknown\t/CN=d\n'
} > index.txt
openssl ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.pem -crlexts list -out v2.crl
: > index.txt
sed -i '/crlnumber/d' ca.cnf
openssl ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.pem -out v1.crl

# OCSP: a request about two certificates with SHA-1 and SHA-256 and a nonce, and the answer to it.
printf 'V\t301231235959Z\t\t01\tunknown\t/CN=a\nR\t301231235959Z\t260102000000Z,keyCompromise\t02\tunknown\t/CN=b\n' > index.txt
openssl ocsp -issuer ca.pem -serial 1 -sha256 -serial 2 -serial 3 -reqout ocsp.req.der
openssl ocsp -index index.txt -rsigner ca.pem -rkey ca.key -CA ca.pem -ndays 7 -reqin ocsp.req.der -respout ocsp.resp.der
rm -f leaf.cnf csr.cnf leaf.csr ca.cnf index.txt* crlnumber*
