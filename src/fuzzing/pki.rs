//! Certificates, CMS, SCEP and key stores.

use super::reshape;
use crate::asn1;
use crate::cms::{EnvelopedData, MdmSignature, MdmSignaturePolicy, OpeningPolicy, SignaturePolicy, SignedData};
use crate::crypto::{ContentCipher, Error, Legacy, Provider, Random};
use crate::keystore;
use crate::limits::Limits;
use crate::push::SignedRequest;
use crate::scep::{CaCertificates, Capabilities, Operation, Peer, PkiMessage, Received};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::x509::{Certificate, CertificateRevocationList, Csr, ocsp};

const LIMITS: Limits = Limits::PKI;

const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);

/// The same octets every time, so that a finding is found again.
struct Fixed;

impl Random for Fixed {
    fn fill(&self, dest: &mut [u8]) -> Result<(), Error> {
        dest.fill(0x5a);
        Ok(())
    }
}

pub(super) fn provider() -> Provider {
    Provider::rustcrypto(&Fixed)
}

/// DER is what BER becomes, and it stays as it is. It is longer by half at most: a BIT STRING in no pieces (two octets) becomes one
/// that counts its unused bits (three).
pub(super) fn ber(data: &[u8]) {
    let Ok(der) = asn1::to_der(data, &LIMITS) else { return };
    assert!(der.len() <= data.len() + data.len() / 2, "{} octets became {}", data.len(), der.len());
    assert_eq!(asn1::to_der(&der, &LIMITS).expect("DER is BER"), der);
}

pub(super) fn certificate(data: &[u8]) {
    let from_pem = Certificate::all_from_pem(data).unwrap_or_default();
    for certificate in Certificate::from_der(data).into_iter().chain(from_pem) {
        assert_eq!(Certificate::from_der(certificate.as_der()).as_ref(), Ok(&certificate));
        let _ = (certificate.is_self_issued(), certificate.subject_alternative_names(), certificate.key_usage());
        let _ = (certificate.unknown_critical_extensions().len(), format!("{certificate:?} {}", certificate.subject()));
        let _ = certificate.verify_signature(certificate.public_key(), &provider(), Legacy::NONE);
    }
}

pub(super) fn csr(data: &[u8]) {
    let Ok(csr) = Csr::from_der(data).or_else(|_| Csr::from_pem(data)) else { return };
    assert_eq!(Csr::from_der(csr.as_der()).as_ref(), Ok(&csr));
    let _ = (csr.challenge_password(), csr.attributes().count(), csr.verify(&provider(), Legacy::NONE));
    let _ = format!("{csr:?}");
}

pub(super) fn crl(data: &[u8]) {
    let Ok(list) = CertificateRevocationList::from_der(data, &LIMITS) else { return };
    for entry in list.entries() {
        assert!(list.find(&entry.serial).is_some(), "what is listed is found");
    }
    let _ = (list.number(), list.issuing_distribution_point(), format!("{list:?}"));
}

pub(super) fn ocsp_request(data: &[u8]) {
    if let Ok(request) = ocsp::Request::from_der(data, &ocsp::LIMITS) {
        assert!((1..=64).contains(&request.ids().len()), "{} certificates are asked about", request.ids().len());
    }
    if let Ok(path) = std::str::from_utf8(data) {
        let _ = ocsp::Request::from_path(path, &ocsp::LIMITS);
    }
}

pub(super) fn ocsp_response(data: &[u8]) {
    let Ok(Ok(response)) = ocsp::Response::from_der(data, &LIMITS) else { return };
    let _ = (response.answers().len(), response.nonce().is_some());
    for certificate in response.certificates() {
        let _ = response.verify(certificate, NOW, &provider(), Legacy::NONE);
    }
}

pub(super) fn signed_data(data: &[u8]) {
    let Ok(message) = SignedData::parse(data, &LIMITS) else { return };
    assert!(message.content().is_none_or(|content| content.len() <= data.len()));
    for signer in message.signers() {
        let Some(certificate) = message.signer_certificate(&signer) else { continue };
        let content = message.content().unwrap_or_default();
        let _ = signer.verify(content, certificate.public_key(), &provider(), &SignaturePolicy::default());
    }
    let _ = format!("{message:?}");
}

pub(super) fn enveloped_data(data: &[u8]) {
    let Ok(envelope) = EnvelopedData::parse(data, &LIMITS) else { return };
    let key = Secret::new(vec![0x5a; envelope.cipher().map_or(16, ContentCipher::key_len)]);
    if let Ok(plain) = envelope.open_with_key(Some(key), &provider()) {
        assert!(plain.len() <= data.len());
    }
    let _ = (envelope.recipients().len(), envelope.key_transport(), format!("{envelope:?}"));
    let _ = envelope.open_with_password(&Secret::from("password"), &provider(), &OpeningPolicy::default());
}

pub(super) fn mdm_signature(data: &[u8]) {
    let Ok(signature) = MdmSignature::parse(data, &LIMITS) else { return };
    let _ = (signature.signer(), signature.verify(b"body", &provider(), &MdmSignaturePolicy::at(NOW)));
}

/// The policies between the strictest and the most forgiving.
fn peers() -> [Peer; 4] {
    [Peer::STRICT, Peer::apple(), Peer::micromdm_client(), Peer::ndes()]
}

pub(super) fn scep_server(data: &[u8]) {
    for peer in peers() {
        let Ok(received) = Received::parse(data, &peer, &provider()) else { continue };
        let _ = (received.transaction_id().as_str().len(), received.replay_key());
        // A key that came back wrong looks like any other failure.
        assert!(received.open_with_key(Some(Secret::new(vec![1; 16]))).is_err(), "opened with a made-up key");
    }
}

pub(super) fn scep_client(data: &[u8]) {
    let _ = Capabilities::parse(data).algorithms(&Peer::STRICT);
    for peer in peers() {
        let Ok(message) = PkiMessage::parse(data, &peer) else { continue };
        let _ = (message.pki_status(), message.fail_info(), message.fail_info_text(), message.envelope(&peer));
        if let Some(certificate) = message.signer_certificate() {
            let _ = message.verify(certificate.public_key(), &provider(), &peer);
        }
    }
}

pub(super) fn scep_query(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    let Ok(operation) = Operation::from_query(query, &LIMITS) else { return };
    let written = operation.to_query();
    assert_eq!(Operation::from_query(&written, &LIMITS.bytes(usize::MAX)).expect("our own query").to_query(), written);
}

pub(super) fn ca_certificates(data: &[u8]) {
    let Ok(certificates) = CaCertificates::parse(data, &LIMITS) else { return };
    let (_, body) = certificates.to_body();
    let again = CaCertificates::parse(&body, &LIMITS.bytes(usize::MAX)).expect("our own answer");
    assert_eq!(again.as_slice(), certificates.as_slice());
    let _ = certificates.recipient(&Peer::STRICT);
}

/// Few iterations: a fuzzer that computes a key a second finds nothing.
const QUICK: keystore::Policy = keystore::Policy { max_iterations: 4_096, without_mac: true, ..keystore::Policy::EXTERNAL_CA };

pub(super) fn key_store(data: &[u8]) {
    let Ok(store) = keystore::open(data, &Secret::from("password"), &QUICK, &provider()) else { return };
    let _ = (store.entry(None).is_ok(), format!("{store:?}"));
}

pub(super) fn private_key(data: &[u8]) {
    let Ok(key) = keystore::private_key(data, &Secret::from("password"), &QUICK, &provider()) else { return };
    let _ = provider().load(&key);
}

pub(super) fn push_request(data: &[u8]) {
    let Ok(request) = SignedRequest::parse(data, &LIMITS.bytes(1 << 20)) else { return };
    if let Some(root) = request.chain().last() {
        let _ = request.verify(root, &provider(), NOW);
    }
}

/// Every reader of DER over a structure that was changed on purpose and has right lengths.
pub(super) fn reshaped(data: &[u8]) {
    let Some(changed) = reshape(data) else { return };
    for reader in [ber, certificate, csr, crl, ocsp_request, ocsp_response, signed_data, enveloped_data] {
        reader(&changed);
    }
    for reader in [mdm_signature, scep_server, scep_client, ca_certificates, key_store, private_key] {
        reader(&changed);
    }
}
