//! Cryptographic messages (RFC 5652): SignedData, EnvelopedData and AuthEnvelopedData (RFC 5083), read, verified, opened and made.
//!
//! Owns the structures and the order of the checks. It does not decide whom to trust: [`SignerInfo::verify`] takes the key, and a
//! certificate found in a message is a candidate and never more.
//!
//! ```text
//! bytes ─► SignedData::parse ─► sole_signer ─► verify(content, key, policy) ─► believed
//! bytes ─► EnvelopedData::parse ─► open(certificate, key, policy) ─► Secret
//!                     ├─ content_key_request ─► HSM ─► open_with_key ─► Secret
//!                     └─ agreement_request ─► HSM ─► content_key ─► open_with_key ─► Secret
//! SignedDataTemplate ─► ToBeSigned<Vec<u8>> ─► bytes        seal(plain, recipients) ─► bytes
//! ```
//!
//! Messages are read from BER ([`asn1::to_der`](crate::asn1::to_der) is the first step of every parser here) and written as DER.
//! Signed attributes are verified over the bytes that were received, never over a re-encoding.
//!
//! What is refused: signed attributes that stand twice; a content type or digest that is not the content's; algorithms that no
//! policy names; trying an envelope's recipients one after the other; and telling which step of a decryption failed.

mod agreement;
mod attribute;
mod enveloped_data;
mod error;
mod identifier;
mod mdm_signature;
pub(crate) mod oid;
mod password;
mod recipient_info;
mod seal;
mod signed_data;
mod signer_info;
mod template;

use std::ops::Range;

pub use attribute::{Attribute, Attributes, ReceivedAttribute};
pub use enveloped_data::{AgreementRequest, ContentKeyRequest, EnvelopedData, OpeningPolicy};
pub use error::Error;
pub use identifier::CertificateId;
pub use mdm_signature::{MdmSignature, MdmSignaturePolicy};
pub use recipient_info::RecipientInfo;
pub use seal::{seal, seal_with_password};
pub use signed_data::SignedData;
pub use signer_info::{SignaturePolicy, SignerInfo};
pub use template::{SignedContent, SignedDataTemplate, certificates_only};

use crate::asn1::{Element, Oid, Reader, Tag};

/// Opens a ContentInfo (RFC 5652 section 3) of one of these types, and gives which it is and the one SEQUENCE that is its content.
fn read_content_info<'a, const N: usize>(
    der: &'a [u8],
    expected: [Oid<'static>; N],
    name: &'static str,
) -> Result<(Oid<'static>, Reader<'a>), Error> {
    let mut outer = Reader::new(der);
    let mut info = outer.sequence()?;
    outer.finish()?;
    let found = info.oid()?;
    let kind = expected.into_iter().find(|kind| *kind == found).ok_or(Error::ContentType { expected: name })?;
    let mut explicit = info.nested(Tag::context_constructed(0))?;
    info.finish()?;
    let content = explicit.sequence()?;
    explicit.finish()?;
    Ok((kind, content))
}

/// Where an element stands in the outermost buffer.
fn span(element: Element<'_>) -> Range<usize> {
    element.at()..element.at().saturating_add(element.raw().len())
}

/// Where the content of an element stands in the outermost buffer.
fn value_span(element: Element<'_>) -> Range<usize> {
    let end = span(element).end;
    end.saturating_sub(element.value().len())..end
}

/// Attributes with the tag under which they are signed or authenticated: SET OF, where the message has an implicit one (RFC 5652 section
/// 5.4, RFC 5083 section 2.2).
fn as_set(attributes: &[u8]) -> Vec<u8> {
    let mut bytes = attributes.to_vec();
    if let Some(tag) = bytes.first_mut() {
        *tag = Tag::SET.octet();
    }
    bytes
}
