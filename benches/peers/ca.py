"""What an authority does, by python-cryptography; started by ca.rs, with the number of entries of the list.

    python3 -m venv venv && venv/bin/pip install cryptography
    PYTHON=venv/bin/python cargo bench --manifest-path benches/peers/Cargo.toml --bench ca
"""

import datetime
import sys
import time

import cryptography
import cryptography.hazmat.primitives.serialization
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

ROUNDS = 4000
DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def name(common_name):
    attributes = [(NameOID.ORGANIZATION_NAME, "Example"), (NameOID.COMMON_NAME, common_name)]
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])


def tenth(work, rounds):
    """The time that only a tenth of the rounds was faster than, in seconds; of few rounds the fastest."""
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return sorted(times)[rounds // 10]


def authority(key):
    builder = x509.CertificateBuilder(name("CA"), name("CA"), key.public_key(), 1, NOW - DAY, NOW + 3653 * DAY)
    builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    return builder.sign(key, hashes.SHA256())


def device(key, ca, leaf):
    builder = x509.CertificateBuilder(
        ca.subject, name("Device 7"), leaf, x509.random_serial_number(), NOW - DAY, NOW + 365 * DAY
    )
    usage = x509.KeyUsage(True, False, True, False, False, False, False, False, False)
    identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    point = x509.DistributionPoint([x509.UniformResourceIdentifier("http://ca.example.com/crl/1.crl")], None, None, None)
    responder = x509.UniformResourceIdentifier("http://ca.example.com/ocsp")
    access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, responder)
    builder = builder.add_extension(x509.BasicConstraints(False, None), True)
    builder = builder.add_extension(usage, True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    builder = builder.add_extension(x509.CRLDistributionPoints([point]), False)
    builder = builder.add_extension(x509.AuthorityInformationAccess([access]), False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(leaf), False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False
    )
    return builder.sign(key, hashes.SHA256())


def answer(key, ca, certificate, question):
    request = ocsp.load_der_ocsp_request(question)
    nonce = request.extensions.get_extension_for_class(x509.OCSPNonce).value
    builder = ocsp.OCSPResponseBuilder()
    builder = builder.add_response(certificate, ca, hashes.SHA1(), ocsp.OCSPCertStatus.GOOD, NOW, NOW + DAY, None, None)
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, ca).add_extension(nonce, False)
    return builder.sign(key, hashes.SHA256())


def revoked(number):
    mixed = (number * 0x9E3779B97F4A7C15 & (1 << 64) - 1) << 62
    serial = mixed & ~(1 << 127) | 1 << 126 | number
    entry = x509.RevokedCertificateBuilder(serial, NOW)
    return entry.add_extension(x509.CRLReason(x509.ReasonFlags.superseded), False).build()


def listed(key, ca, entries):
    builder = x509.CertificateRevocationListBuilder(ca.subject, NOW, NOW + 7 * DAY, [], entries)
    identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False
    )
    return builder.add_extension(x509.CRLNumber(7), False).sign(key, hashes.SHA256())


def main(entries):
    key = ec.generate_private_key(ec.SECP256R1())
    ca = authority(key)
    leaf = rsa.generate_private_key(65537, 2048).public_key()
    certificate = device(key, ca, leaf)
    question = ocsp.OCSPRequestBuilder().add_certificate(certificate, ca, hashes.SHA1())
    question = question.add_extension(x509.OCSPNonce(bytes(32)), False).build().public_bytes(
        cryptography.hazmat.primitives.serialization.Encoding.DER
    )
    issue = tenth(lambda: device(key, ca, leaf), ROUNDS) * 1e6
    respond = tenth(lambda: answer(key, ca, certificate, question), ROUNDS) * 1e6
    begun = time.perf_counter()
    rows = [revoked(number) for number in range(entries)]
    made = time.perf_counter() - begun
    signed = tenth(lambda: listed(key, ca, rows), 3) * 1e3
    print(f"python-cryptography {cryptography.__version__}: certificate {issue:.1f} µs, OCSP answer {respond:.1f} µs, ", end="")
    print(f"list {signed:.1f} ms after {made * 1e3:.1f} ms for its entries")


main(int(sys.argv[1]))
