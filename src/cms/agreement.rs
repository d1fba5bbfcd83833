//! Content keys under an agreed key: KeyAgreeRecipientInfo (RFC 5652 section 6.2.2) with ephemeral-static ECDH on P-256 (RFC 5753), the
//! key derivation of ANSI X9.63 (SEC 1 section 3.6.1) and AES key wrap (RFC 3394).
//!
//! For keys that sign and cannot decrypt. What is written derives with SHA-256 (dhSinglePass-stdDH-sha256kdf-scheme); what is read may
//! derive with SHA-1 as well, which OpenSSL takes unless it is told otherwise, and which is no signature that anybody could forge.

use std::ops::Range;

use super::identifier::{IdFields, write_issuer_and_serial};
use super::{Error, span, value_span};
use crate::asn1::{Element, Error as Asn1Error, Oid, Reader, Tag, Writer};
use crate::crypto::{DigestAlgorithm, EC_PUBLIC_KEY, KeyWrap, P256, Provider, read_identifier};
use crate::secret::Secret;
use crate::x509::Certificate;

/// dhSinglePass-stdDH-sha1kdf-scheme, of X9.63 itself (RFC 5753 section 7.1.4).
const SHA1_KDF: Oid<'static> = Oid::from_content(&[0x2B, 0x81, 0x05, 0x10, 0x86, 0x48, 0x3F, 0x00, 0x02]);

/// dhSinglePass-stdDH-sha*kdf-scheme with SHA-2: 1.3.132.1.11 and a number.
macro_rules! sha2_kdf {
    ($number:literal) => {
        Oid::from_content(&[0x2B, 0x81, 0x04, 0x01, 0x0B, $number])
    };
}

const SCHEMES: [(Oid<'static>, DigestAlgorithm); 4] = [
    (SHA1_KDF, DigestAlgorithm::Sha1),
    (sha2_kdf!(1), DigestAlgorithm::Sha256),
    (sha2_kdf!(2), DigestAlgorithm::Sha384),
    (sha2_kdf!(3), DigestAlgorithm::Sha512),
];

/// Where one recipient of a KeyAgreeRecipientInfo stands in the buffer of its message.
#[derive(Clone, Debug)]
pub(super) struct AgreementFields {
    pub(super) id: IdFields,
    /// The sender's point; what `id` names is the other half.
    point: Range<usize>,
    /// User keying material, which goes into the derivation.
    material: Option<Range<usize>>,
    /// How the wrapping key is derived, and what is wrapped with it; `None` for ways that the crate does not know.
    scheme: Option<(DigestAlgorithm, KeyWrap)>,
    /// The AlgorithmIdentifier of the key wrap as it was received: it goes into the derivation too.
    wrap_identifier: Range<usize>,
    pub(super) wrapped: Range<usize>,
}

impl AgreementFields {
    /// Reads one KeyAgreeRecipientInfo into a recipient for each of its keys; `None` for a sender that is not named by a key of its own,
    /// which RFC 5753 section 3.1.1 demands of ECDH.
    pub(super) fn read(recipient: Element<'_>) -> Result<Option<Vec<Self>>, Asn1Error> {
        let mut info = recipient.reader();
        info.small_integer()?;
        let mut originator = info.nested(Tag::context_constructed(0))?;
        let Some(mut key) = originator.optional_nested(Tag::context_constructed(1))? else { return Ok(None) };
        originator.finish()?;
        let (algorithm, curve) = read_identifier(&mut key)?;
        let bits = key.tagged(Tag::BIT_STRING)?;
        bits.value().split_first().filter(|(unused, _)| **unused == 0).ok_or(Asn1Error::field("publicKey", bits.at()))?;
        key.finish()?;
        let point = value_span(bits);
        let point = point.start.saturating_add(1)..point.end;
        let material = match info.optional_nested(Tag::context_constructed(1))? {
            Some(mut explicit) => Some(value_span(explicit.tagged(Tag::OCTET_STRING)?)),
            None => None,
        };
        let mut encryption = info.sequence()?;
        let scheme = encryption.oid()?;
        // A scheme without parameters is none of these.
        let Some(wrap) = encryption.optional(Tag::SEQUENCE)? else { return Ok(None) };
        encryption.finish()?;
        let digest = SCHEMES.iter().find(|(oid, _)| *oid == scheme).map(|(_, digest)| *digest);
        let wrap_algorithm = KeyWrap::from_oid(wrap.reader().oid()?);
        let mut keys = info.sequence()?;
        info.finish()?;
        let mut recipients = Vec::new();
        while !keys.is_empty() {
            let mut encrypted = keys.sequence()?;
            let id = read_recipient(&mut encrypted)?;
            let wrapped = value_span(encrypted.tagged(Tag::OCTET_STRING)?);
            encrypted.finish()?;
            recipients.push(AgreementFields {
                id,
                point: point.clone(),
                material: material.clone(),
                scheme: digest.zip(wrap_algorithm).filter(|_| algorithm == EC_PUBLIC_KEY && is_recipients_curve(curve)),
                wrap_identifier: span(wrap),
                wrapped,
            });
        }
        Ok(Some(recipients))
    }

    pub(super) fn is_known(&self) -> bool {
        self.scheme.is_some()
    }

    pub(super) fn point<'a>(&self, der: &'a [u8]) -> &'a [u8] {
        der.get(self.point.clone()).unwrap_or_default()
    }

    /// The content key that this shared secret leads to; `None` when it leads to none, which is for the caller to treat as any other
    /// wrong key.
    pub(super) fn unwrap(&self, der: &[u8], shared: &Secret, provider: &Provider) -> Option<Secret> {
        let part = |range: &Range<usize>| der.get(range.clone()).unwrap_or_default();
        let (digest, wrap) = self.scheme?;
        let info = shared_info(part(&self.wrap_identifier), self.material.as_ref().map(part), wrap.key_len());
        wrap.unwrap(&derive(digest, shared, &info, wrap.key_len(), provider), part(&self.wrapped))
    }
}

/// KeyAgreeRecipientIdentifier.
fn read_recipient(reader: &mut Reader<'_>) -> Result<IdFields, Asn1Error> {
    let Some(mut key_id) = reader.optional_nested(Tag::context_constructed(0))? else { return IdFields::read(reader) };
    // A date and more may follow; the identifier alone names the certificate.
    Ok(IdFields::SubjectKeyIdentifier(value_span(key_id.tagged(Tag::OCTET_STRING)?)))
}

/// The sender's curve is the recipient's, which is P-256: left out, NULL, or named (RFC 5753 section 7.1.2).
fn is_recipients_curve(parameters: Option<Element<'_>>) -> bool {
    parameters.is_none_or(|named| match named.tag() {
        Tag::NULL => named.value().is_empty(),
        Tag::OID => named.value() == P256.content(),
        _ => false,
    })
}

/// ECC-CMS-SharedInfo (RFC 5753 section 7.2) for a wrapping key of so many octets.
fn shared_info(wrap_identifier: &[u8], material: Option<&[u8]>, key_len: usize) -> Vec<u8> {
    let bits = u32::try_from(key_len.saturating_mul(8)).unwrap_or(u32::MAX);
    Writer::build(|w| {
        w.sequence(|w| {
            w.raw(wrap_identifier);
            if let Some(material) = material {
                w.nested(Tag::context_constructed(0), |w| w.octet_string(material));
            }
            w.nested(Tag::context_constructed(2), |w| w.octet_string(&bits.to_be_bytes()));
        });
    })
}

/// The key derivation of ANSI X9.63 (SEC 1 section 3.6.1).
fn derive(digest: DigestAlgorithm, shared: &Secret, info: &[u8], len: usize, provider: &Provider) -> Secret {
    let mut key = Vec::with_capacity(len.saturating_add(digest.len()));
    let mut counter: u32 = 0;
    while key.len() < len {
        counter = counter.saturating_add(1);
        key.extend_from_slice(provider.digests.digest(digest, &[shared.expose(), &counter.to_be_bytes(), info]).as_ref());
    }
    key.truncate(len);
    Secret::new(key)
}

/// A KeyAgreeRecipientInfo that carries this content key to the holder of a certificate with an elliptic-curve key.
pub(super) fn recipient_info(recipient: &Certificate, content_key: &Secret, provider: &Provider) -> Result<Vec<u8>, Error> {
    let (point, shared) = provider.wrapping.agree(recipient.public_key(), provider.random)?;
    let wrap = KeyWrap::for_key_len(content_key.len());
    // RFC 3565 section 2.3.2: the parameters are absent.
    let identifier = Writer::build(|w| w.sequence(|w| w.oid(wrap.oid())));
    let info = shared_info(&identifier, None, wrap.key_len());
    let key = derive(DigestAlgorithm::Sha256, &shared, &info, wrap.key_len(), provider);
    let wrapped = wrap.wrap(&key, content_key)?;
    Ok(Writer::build_with_capacity(512, |w| {
        w.nested(Tag::context_constructed(1), |w| {
            w.small_integer(3);
            w.nested(Tag::context_constructed(0), |w| {
                w.nested(Tag::context_constructed(1), |w| {
                    w.sequence(|w| w.oid(EC_PUBLIC_KEY));
                    w.bit_string(&point);
                });
            });
            w.sequence(|w| {
                w.oid(sha2_kdf!(1));
                w.raw(&identifier);
            });
            w.sequence(|w| {
                w.sequence(|w| {
                    write_issuer_and_serial(w, recipient);
                    w.octet_string(&wrapped);
                });
            });
        });
    }))
}
