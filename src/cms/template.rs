//! Making SignedData.

use super::identifier::write_issuer_and_serial;
use super::{Attribute, Error, oid};
use crate::asn1::{Tag, Writer};
use crate::crypto::{DigestAlgorithm, KeyTransport, Provider, PublicKey, PublicKeyKind, SignatureAlgorithm, ToBeSigned};
use crate::time::Timestamp;
use crate::x509::Certificate;

/// What is signed, and whether the message carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignedContent<'a> {
    /// Carried in the message.
    Attached(&'a [u8]),
    /// Signed, and sent on its own way.
    Detached(&'a [u8]),
    /// There is none: a SCEP reply that grants nothing. The digest is that of no octets.
    Absent,
}

impl<'a> SignedContent<'a> {
    const fn octets(self) -> &'a [u8] {
        match self {
            SignedContent::Attached(octets) | SignedContent::Detached(octets) => octets,
            SignedContent::Absent => &[],
        }
    }
}

/// A signed message to be made, with one signer and signed attributes.
///
/// The RSA signature is named rsaEncryption, which every peer reads; the attributes contentType and messageDigest are added and
/// the whole is sorted as DER demands, since only that verifies everywhere.
///
/// ```no_run
/// # fn show(ra: &mdm_core::x509::Certificate, key: &mdm_core::crypto::SoftwareKey, provider: &mdm_core::crypto::Provider)
/// # -> Result<(), mdm_core::cms::Error> {
/// use mdm_core::cms::{SignedContent, SignedDataTemplate};
///
/// let mut template = SignedDataTemplate::new(SignedContent::Attached(b"hello"));
/// template.certificates.push(ra.as_der());
/// let message = template.to_be_signed(ra, provider)?.sign_with(key)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SignedDataTemplate<'a> {
    /// What is signed.
    pub content: SignedContent<'a>,
    /// The digest for RSA; an elliptic-curve key takes the one of its size. SHA-1 is never used: it is raised to SHA-256.
    pub digest: DigestAlgorithm,
    /// When it is signed, if the message shall say so.
    pub signing_time: Option<Timestamp>,
    /// Further signed attributes, each of a type of its own.
    pub attributes: Vec<Attribute>,
    /// The certificates to carry, each in DER, in this order.
    pub certificates: Vec<&'a [u8]>,
}

impl<'a> SignedDataTemplate<'a> {
    /// A message that is signed over SHA-256 and carries no certificate.
    pub const fn new(content: SignedContent<'a>) -> Self {
        SignedDataTemplate {
            content,
            digest: DigestAlgorithm::Sha256,
            signing_time: None,
            attributes: Vec::new(),
            certificates: Vec::new(),
        }
    }

    /// The message, lacking its signature by the key of this certificate. Signed, it is a ContentInfo in DER.
    ///
    /// # Errors
    /// [`Error::Algorithm`] when the key is of a kind that does not sign.
    pub fn to_be_signed(self, signer: &Certificate, provider: &Provider) -> Result<ToBeSigned<Vec<u8>>, Error> {
        let algorithm = algorithm_for(signer.public_key(), self.digest).ok_or(Error::Algorithm("signer's key"))?;
        let attributes = self.signed_attributes(algorithm.digest(), provider);
        let head = self.head(algorithm.digest());
        let signer_head = Writer::build(|w| {
            w.small_integer(1);
            write_issuer_and_serial(w, signer);
            algorithm.digest().write(w);
        });
        let assemble =
            move |attributes: &[u8], signature: &[u8]| assemble(&head, &signer_head, attributes, algorithm, signature);
        Ok(ToBeSigned::new(algorithm, signer.public_key().clone(), attributes, provider, assemble))
    }

    /// The attributes as the SET OF that the signature covers.
    fn signed_attributes(&self, digest: DigestAlgorithm, provider: &Provider) -> Vec<u8> {
        let message_digest = provider.digest(digest, self.content.octets());
        let mut attributes = self.attributes.clone();
        attributes.push(Attribute::new(oid::CONTENT_TYPE, |w| w.oid(oid::DATA)));
        attributes.push(Attribute::new(oid::MESSAGE_DIGEST, |w| w.octet_string(message_digest.as_ref())));
        if let Some(at) = self.signing_time {
            attributes.push(Attribute::new(oid::SIGNING_TIME, |w| w.time(at)));
        }
        Writer::build(|w| w.set_of(Tag::SET, attributes))
    }

    /// SignedData up to its signers.
    fn head(&self, digest: DigestAlgorithm) -> Vec<u8> {
        let room = self.content.octets().len().saturating_add(self.certificates.iter().map(|der| der.len()).sum());
        Writer::build_with_capacity(room.saturating_add(128), |w| {
            w.small_integer(1);
            w.nested(Tag::SET, |w| digest.write(w));
            w.sequence(|w| {
                w.oid(oid::DATA);
                if let SignedContent::Attached(octets) = self.content {
                    w.nested(Tag::context_constructed(0), |w| w.octet_string(octets));
                }
            });
            write_set(w, 0, &self.certificates);
        })
    }
}

/// The signature algorithm of a key, with this digest when the key leaves the choice.
fn algorithm_for(key: &PublicKey, digest: DigestAlgorithm) -> Option<SignatureAlgorithm> {
    match key.kind() {
        PublicKeyKind::Rsa { .. } if digest == DigestAlgorithm::Sha1 => Some(SignatureAlgorithm::RsaSha256),
        PublicKeyKind::Rsa { .. } => Some(SignatureAlgorithm::rsa(digest)),
        PublicKeyKind::P256 => Some(SignatureAlgorithm::EcdsaSha256),
        PublicKeyKind::P384 => Some(SignatureAlgorithm::EcdsaSha384),
        PublicKeyKind::Other => None,
    }
}

fn assemble(head: &[u8], signer_head: &[u8], attributes: &[u8], algorithm: SignatureAlgorithm, signature: &[u8]) -> Vec<u8> {
    let signer = Writer::build_with_capacity(attributes.len().saturating_add(signature.len()).saturating_add(256), |w| {
        w.sequence(|w| {
            w.raw(signer_head);
            // What was signed has the tag of a SET; in the message it has the implicit one (RFC 5652 section 5.4).
            w.raw(&[Tag::context_constructed(0).octet()]);
            w.raw(attributes.get(1..).unwrap_or_default());
            match algorithm.is_rsa() {
                true => KeyTransport::RsaPkcs1.write(w),
                false => algorithm.write(w),
            }
            w.octet_string(signature);
        });
    });
    signed_data(head.len().saturating_add(signer.len()), |w| {
        w.raw(head);
        w.element(Tag::SET, &signer);
    })
}

/// A ContentInfo around SignedData, whose fields the closure writes.
fn signed_data(room: usize, fields: impl FnOnce(&mut Writer)) -> Vec<u8> {
    Writer::build_with_capacity(room.saturating_add(64), |w| {
        w.sequence(|w| {
            w.oid(oid::SIGNED_DATA);
            w.nested(Tag::context_constructed(0), |w| w.sequence(fields));
        });
    })
}

/// Elements under an IMPLICIT tag in the order given, and nothing when there are none. The order is kept although the type is a
/// SET: Apple's client takes the first certificate for its own.
fn write_set(w: &mut Writer, number: u8, elements: &[&[u8]]) {
    if !elements.is_empty() {
        w.nested(Tag::context_constructed(number), |w| elements.iter().for_each(|element| w.raw(element)));
    }
}

/// A message that only carries certificates and revocation lists (RFC 8894 section 3.4): no content, no signer, each element as it is
/// given and in this order.
pub fn certificates_only(certificates: &[&[u8]], crls: &[&[u8]]) -> Vec<u8> {
    let room = certificates.iter().chain(crls).map(|der| der.len()).sum();
    signed_data(room, |w| {
        w.small_integer(1);
        w.nested(Tag::SET, |_| {});
        w.sequence(|w| w.oid(oid::DATA));
        write_set(w, 0, certificates);
        write_set(w, 1, crls);
        w.nested(Tag::SET, |_| {});
    })
}
