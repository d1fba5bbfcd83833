//! SCEP messages, and what a device signs, with one damage where only a sender who holds the keys can put it: inside the encryption,
//! inside the signature.

use super::pki::provider;
use super::{messages, reshape};
use crate::asn1::{Oid, Tag, Writer};
use crate::cms::{self, Attribute, MdmSignature, MdmSignaturePolicy, SignaturePolicy, SignedData};
use crate::crypto::{ContentCipher, DigestAlgorithm, KeyKind, KeyTransport, SignatureAlgorithm, SigningKey, SoftwareKey};
use crate::limits::Limits;
use crate::scep::client::{Enrollment, Outcome, Server};
use crate::scep::{CaCertificates, Capabilities, Error, MessageType, Peer, Received, Recipient, Request, TransactionId};
use crate::time::Timestamp;
use crate::x509::{Certificate, Csr, CsrTemplate, Name, Validity};

const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);
const ID: &str = "4f1a";
/// What fills every nonce: the randomness of the targets is always the same octet.
const NONCE: [u8; 16] = [0x5a; 16];
const REQUESTS: [MessageType; 5] =
    [MessageType::PkcsReq, MessageType::RenewalReq, MessageType::CertPoll, MessageType::GetCert, MessageType::GetCrl];

/// The first octet chooses what is damaged, and the rest is what [`reshape`](super::reshape()) takes; where no DER stands there, it is the
/// content of a good message that is damaged. All around the damage is made anew: what is inside an envelope is encrypted after it, and what
/// is signed is signed after it.
///
/// ```text
///   0–4  what is in the envelope of a request, by the kind of the request      6  what is in the envelope of a reply
///   5    the envelope of a request                                             7  the envelope of a reply
///   8    the signed attributes of a request
///   9    what a device says of itself before it is enrolled: the rest is the document, and is signed as it is
///   10   the signed attributes around such a document                          11  all of such a message, after it was signed
///   12   a Mdm-Signature, after it was made
/// ```
///
/// A message with a good signature is received; what does not open is one error; what opens is what was sealed, what is believed is what
/// was signed, and nothing else.
pub(super) fn sealed(data: &[u8]) {
    let Some((what, rest)) = data.split_first() else { return };
    Desk::new().take(what % PLACES, rest);
}

const PLACES: u8 = 13;

/// What a device says of itself, and also the body of a request.
const DOCUMENT: &[u8] = b"<plist version=\"1.0\"><dict><key>UDID</key><string>D</string></dict></plist>";

/// Instructions for [`reshape`], and the DER that came with them.
struct Damage<'a> {
    instructions: &'a [u8],
    der: &'a [u8],
}

impl<'a> Damage<'a> {
    fn read(data: &'a [u8]) -> Option<Self> {
        let changes = usize::from(data.first()? & 7);
        let (instructions, der) = data.split_at_checked(1 + changes * 3)?;
        Some(Damage { instructions, der })
    }

    /// The DER that came along, or else this, damaged.
    fn or(&self, good: &[u8]) -> Option<Vec<u8>> {
        if self.der.is_empty() { self.done_to(good) } else { self.done_to(self.der) }
    }

    fn done_to(&self, der: &[u8]) -> Option<Vec<u8>> {
        reshape(&[self.instructions, der].concat())
    }

    /// Attributes, damaged: what is a SET no more cannot stand where they do.
    fn attributes(&self, good: &[u8]) -> Option<Vec<u8>> {
        self.done_to(good).filter(|changed| changed.first() == Some(&Tag::SET.octet()))
    }
}

/// One key, which is the device's and the server's.
struct Desk {
    key: SoftwareKey,
    csr: Csr,
    certificate: Certificate,
    server: Server,
}

impl Desk {
    fn new() -> Self {
        let provider = provider();
        let key = provider.generate(KeyKind::P256).and_then(|key| provider.load(&key)).expect("a key");
        let name = Name::builder().common_name("Device").build().expect("a name");
        let template = CsrTemplate::new(name, SigningKey::public_key(&key).clone());
        let csr = template.to_be_signed(key.algorithm(), &provider).expect("a request").sign_with(&key).expect("a signature");
        let validity = Validity { not_before: NOW.plus_days(-1), not_after: NOW.plus_days(1) };
        let certificate =
            Enrollment::self_signed(&csr, validity, &provider).expect("a template").sign_with(&key).expect("a signature");
        let pinned = CaCertificates::parse(certificate.as_der(), &Peer::STRICT.limits).expect("a certificate");
        let server = Server::new(pinned, Capabilities::server(&Peer::STRICT), Peer::STRICT).expect("a server");
        Desk { key, csr, certificate, server }
    }

    fn take(&self, what: u8, rest: &[u8]) {
        if what == 9 {
            return self.machine_info(rest);
        }
        let Some(damage) = Damage::read(rest) else { return };
        match what {
            kind @ 0..=4 => self.content_of_request(REQUESTS[usize::from(kind)], &damage),
            5 => self.envelope_of_request(&damage),
            6 => self.content_of_reply(&damage),
            7 => self.envelope_of_reply(&damage),
            8 => self.attributes_of_request(&damage),
            10 => self.attributes_of_machine_info(&damage),
            11 => self.signed_machine_info(&damage),
            _ => self.mdm_signature(&damage),
        }
    }

    fn seal(&self, plain: &[u8]) -> Vec<u8> {
        let recipients = [&self.certificate];
        cms::seal(plain, &recipients, ContentCipher::Aes128Cbc, KeyTransport::RsaPkcs1, &provider()).expect("an envelope")
    }

    fn recipient(&self) -> Recipient<'_> {
        Recipient { certificate: &self.certificate, key: &self.key }
    }

    /// What stands in the envelope of a good request.
    fn good_content(&self, kind: MessageType) -> Vec<u8> {
        let issuer = self.certificate.issuer().as_der();
        match kind {
            MessageType::PkcsReq | MessageType::RenewalReq => self.csr.as_der().to_vec(),
            MessageType::CertPoll => Writer::build(|w| {
                w.sequence(|w| {
                    w.raw(issuer);
                    w.raw(self.csr.subject().as_der());
                });
            }),
            _ => Writer::build(|w| {
                w.sequence(|w| {
                    w.raw(issuer);
                    self.certificate.serial().write(w);
                });
            }),
        }
    }

    /// A message with these attributes, signed as they are, over this content. `attributes` is a SET OF.
    fn sign(&self, content: &[u8], attributes: &[u8]) -> Vec<u8> {
        let algorithm = SignatureAlgorithm::EcdsaSha256;
        let signature = self.key.sign(algorithm, attributes).expect("a signature");
        Writer::build(|w| {
            w.sequence(|w| {
                w.oid(cms::oid::SIGNED_DATA);
                w.nested(Tag::context_constructed(0), |w| {
                    w.sequence(|w| {
                        w.small_integer(1);
                        w.nested(Tag::SET, |w| algorithm.digest().write(w));
                        w.sequence(|w| {
                            w.oid(cms::oid::DATA);
                            w.nested(Tag::context_constructed(0), |w| w.octet_string(content));
                        });
                        w.element(Tag::context_constructed(0), self.certificate.as_der());
                        w.nested(Tag::SET, |w| self.signer_info(w, attributes, algorithm, &signature));
                    });
                });
            });
        })
    }

    fn signer_info(&self, w: &mut Writer, attributes: &[u8], algorithm: SignatureAlgorithm, signature: &[u8]) {
        w.sequence(|w| {
            w.small_integer(1);
            w.sequence(|w| {
                w.raw(self.certificate.issuer().as_der());
                self.certificate.serial().write(w);
            });
            algorithm.digest().write(w);
            w.raw(&[Tag::context_constructed(0).octet()]);
            w.raw(&attributes[1..]);
            algorithm.write(w);
            w.octet_string(signature);
        });
    }

    fn message(&self, kind: MessageType, envelope: &[u8]) -> Vec<u8> {
        self.sign(envelope, &attributes(kind, envelope))
    }

    fn content_of_request(&self, kind: MessageType, damage: &Damage<'_>) {
        let Some(plain) = damage.or(&self.good_content(kind)) else { return };
        let message = self.message(kind, &self.seal(&plain));
        let received = Received::parse(&message, &Peer::STRICT, &provider()).expect("nothing is wrong outside");
        match received.open(&self.recipient()) {
            Ok(request) => assert_opened(&request, &plain),
            Err(refused) => assert_eq!(refused.error(), &Error::Unopened, "the content told why it did not open"),
        }
    }

    fn envelope_of_request(&self, damage: &Damage<'_>) {
        let plain = self.good_content(MessageType::PkcsReq);
        let Some(envelope) = damage.done_to(&self.seal(&plain)) else { return };
        let message = self.message(MessageType::PkcsReq, &envelope);
        let Ok(received) = Received::parse(&message, &Peer::STRICT, &provider()) else { return };
        if let Ok(request) = received.open(&self.recipient()) {
            assert_opened(&request, &plain);
        }
    }

    fn content_of_reply(&self, damage: &Damage<'_>) {
        let good = cms::certificates_only(&[self.certificate.as_der()], &[]);
        let Some(plain) = damage.or(&good) else { return };
        match self.answered(&self.seal(&plain)).expect("nothing is wrong outside") {
            Outcome::Granted(granted) => self.assert_issued(granted.open(&self.recipient())),
            other => panic!("a reply that grants was read as {other:?}"),
        }
    }

    fn envelope_of_reply(&self, damage: &Damage<'_>) {
        let good = cms::certificates_only(&[self.certificate.as_der()], &[]);
        let Some(envelope) = damage.done_to(&self.seal(&good)) else { return };
        match self.answered(&envelope) {
            Ok(Outcome::Granted(granted)) => self.assert_issued(granted.open(&self.recipient())),
            Ok(other) => panic!("a reply that grants was read as {other:?}"),
            Err(_) => {}
        }
    }

    /// What the client makes of a reply that grants, with this envelope.
    fn answered(&self, envelope: &[u8]) -> Result<Outcome, Error> {
        let provider = provider();
        let enrollment = Enrollment::first(self.csr.clone(), self.certificate.clone(), &provider).expect("a name");
        let enrollment = enrollment.named(TransactionId::new(ID).expect("a name"));
        let (sent, _) = enrollment.request(&self.server, &provider).expect("a request");
        sent.receive(&self.message(MessageType::CertRep, envelope), &self.server, &provider)
    }

    fn assert_issued(&self, opened: Result<crate::scep::client::Issued, Error>) {
        match opened {
            Ok(issued) => assert_eq!(issued.certificate.public_key(), self.csr.public_key()),
            Err(Error::NoCertificate | Error::Cms(_)) => {}
            Err(error) => panic!("not a fault of the envelope: {error}"),
        }
    }

    fn attributes_of_request(&self, damage: &Damage<'_>) {
        let envelope = self.seal(&self.good_content(MessageType::PkcsReq));
        let good = attributes(MessageType::PkcsReq, &envelope);
        let Some(attributes) = damage.attributes(&good) else { return };
        let message = self.sign(&envelope, &attributes);
        for peer in [Peer::STRICT, Peer::apple(), Peer::ndes()] {
            let Ok(received) = Received::parse(&message, &peer, &provider()) else { continue };
            assert!(!received.transaction_id().as_str().is_empty());
            assert!(peer.missing_nonces || received.message().sender_nonce().is_some(), "a request without its nonce");
            assert_bound(received.message().signed_data(), &envelope);
            let _ = received.open(&self.recipient());
        }
    }

    /// What a host makes of a MachineInfo by a device whose key it knows: the document, once the signature holds.
    fn believed(&self, message: &SignedData) -> Option<Vec<u8>> {
        let signer = message.sole_signer().ok()?;
        let content = message.content()?;
        let certificate = message.signer_certificate(&signer)?;
        if certificate.public_key() != self.certificate.public_key() {
            return None;
        }
        let verified = signer.verify(content, certificate.public_key(), &provider(), &SignaturePolicy::default());
        verified.ok().map(|()| content.to_vec())
    }

    fn machine_info(&self, document: &[u8]) {
        let message = self.sign(document, &device_attributes(document));
        let message = SignedData::parse(&message, &Limits::PKI).expect("nothing is wrong outside");
        let believed = self.believed(&message).expect("it is signed");
        assert_eq!(believed, document);
        messages::machine_info(&believed);
    }

    fn attributes_of_machine_info(&self, damage: &Damage<'_>) {
        let Some(attributes) = damage.attributes(&device_attributes(DOCUMENT)) else { return };
        let Ok(message) = SignedData::parse(&self.sign(DOCUMENT, &attributes), &Limits::PKI) else { return };
        if self.believed(&message).is_some() {
            assert_bound(&message, DOCUMENT);
        }
    }

    fn signed_machine_info(&self, damage: &Damage<'_>) {
        let Some(message) = damage.done_to(&self.sign(DOCUMENT, &device_attributes(DOCUMENT))) else { return };
        let Ok(message) = SignedData::parse(&message, &Limits::PKI) else { return };
        if let Some(believed) = self.believed(&message) {
            assert_eq!(believed, DOCUMENT, "another document than the device signed");
        }
    }

    /// A header that holds over the body that it was made for, perhaps, and over no other.
    fn mdm_signature(&self, damage: &Damage<'_>) {
        let Some(header) = damage.done_to(&self.sign(DOCUMENT, &device_attributes(DOCUMENT))) else { return };
        let Ok(signature) = MdmSignature::parse(&header, &Limits::PKI) else { return };
        let policy = MdmSignaturePolicy::at(NOW);
        if let Ok(signer) = signature.verify(DOCUMENT, &provider(), &policy) {
            assert_eq!(signer.public_key(), self.certificate.public_key(), "another signed it");
        }
        for other in [&DOCUMENT[1..], b""] {
            assert!(signature.verify(other, &provider(), &policy).is_err(), "it holds over another body");
        }
    }
}

/// Each attribute stands once, and contentType and messageDigest are those of the content, whatever else the attributes say.
fn assert_bound(message: &SignedData, content: &[u8]) {
    let attributes = message.sole_signer().ok().and_then(|signer| signer.signed_attributes()).expect("signed attributes");
    let mut kinds: Vec<_> = attributes.iter().map(|attribute| attribute.oid.content().to_vec()).collect();
    kinds.sort_unstable();
    assert!(kinds.is_sorted_by(|one, next| one < next), "an attribute stands twice");
    let value = |oid: Oid<'static>| attributes.required(oid, "bound").expect("it stands once").value().to_vec();
    assert_eq!(value(cms::oid::CONTENT_TYPE), cms::oid::DATA.content());
    assert_eq!(value(cms::oid::MESSAGE_DIGEST), provider().digest(DigestAlgorithm::Sha256, content).as_ref());
}

/// A request for a certificate holds the very bytes that were sealed.
fn assert_opened(request: &Request, plain: &[u8]) {
    match request {
        Request::PkcsReq(request) => assert_eq!(request.csr().as_der(), plain),
        Request::RenewalReq(request) => assert_eq!(request.csr().as_der(), plain),
        Request::CertPoll(_) | Request::GetCert(_) | Request::GetCrl(_) => {}
    }
}

/// Everything that a message of this kind says in its attributes, as a SET OF.
fn attributes(kind: MessageType, content: &[u8]) -> Vec<u8> {
    let digest = provider().digest(DigestAlgorithm::Sha256, content);
    let number = |arc, text: &str| Attribute::new(Oid::from_content(&scep(arc)), |w| w.printable_string(text));
    let nonce = |arc| Attribute::new(Oid::from_content(&scep(arc)), |w| w.octet_string(&NONCE));
    let mut attributes = vec![
        Attribute::new(cms::oid::CONTENT_TYPE, |w| w.oid(cms::oid::DATA)),
        Attribute::new(cms::oid::MESSAGE_DIGEST, |w| w.octet_string(digest.as_ref())),
        number(2, &kind.code().to_string()),
        nonce(5),
        number(7, ID),
    ];
    if kind == MessageType::CertRep {
        attributes.extend([number(3, "0"), nonce(6)]);
    }
    Writer::build(|w| w.set_of(Tag::SET, attributes))
}

/// id-signingTime (RFC 5652 section 11.3).
const SIGNING_TIME: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x05]);

/// What a device signs beside the content.
fn device_attributes(content: &[u8]) -> Vec<u8> {
    let digest = provider().digest(DigestAlgorithm::Sha256, content);
    let attributes = vec![
        Attribute::new(cms::oid::CONTENT_TYPE, |w| w.oid(cms::oid::DATA)),
        Attribute::new(cms::oid::MESSAGE_DIGEST, |w| w.octet_string(digest.as_ref())),
        Attribute::new(SIGNING_TIME, |w| w.time(NOW)),
    ];
    Writer::build(|w| w.set_of(Tag::SET, attributes))
}

/// An attribute of RFC 8894 section 3.2.1, in 2.16.840.1.113733.1.9.
const fn scep(arc: u8) -> [u8; 10] {
    [0x60, 0x86, 0x48, 0x01, 0x86, 0xF8, 0x45, 0x01, 0x09, arc]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_damage_everything_opens() {
        let none = Damage { instructions: &[0], der: &[] };
        let desk = Desk::new();
        for kind in REQUESTS {
            let message = desk.message(kind, &desk.seal(&desk.good_content(kind)));
            let received = Received::parse(&message, &Peer::STRICT, &provider()).unwrap();
            assert_eq!(received.open(&desk.recipient()).unwrap().message_type(), kind);
        }
        let good = cms::certificates_only(&[desk.certificate.as_der()], &[]);
        let Ok(Outcome::Granted(granted)) = desk.answered(&desk.seal(&good)) else { panic!("not granted") };
        assert_eq!(granted.open(&desk.recipient()).unwrap().certificate, desk.certificate);
        assert_eq!(none.or(&good).unwrap(), good);
        let signed = desk.sign(DOCUMENT, &device_attributes(DOCUMENT));
        assert_eq!(desk.believed(&SignedData::parse(&signed, &Limits::PKI).unwrap()).unwrap(), DOCUMENT);
        let header = MdmSignature::parse(&signed, &Limits::PKI).unwrap();
        assert_eq!(header.verify(DOCUMENT, &provider(), &MdmSignaturePolicy::at(NOW)).unwrap(), desk.certificate);
    }

    #[test]
    fn every_single_damage_ends_well() {
        for what in 0..PLACES {
            for change in [0, 1, 3, 5] {
                for place in 0..12 {
                    sealed(&[what, 1, change, 0, place]);
                }
            }
        }
    }
}
