//! To whom an envelope is addressed (RFC 5652 section 6.2).

use std::ops::Range;

use super::agreement::AgreementFields;
use super::identifier::{CertificateId, IdFields};
use super::password::PasswordFields;
use super::{span, value_span};
use crate::asn1::{Element, Error as Asn1Error, Reader, Tag};
use crate::crypto::KeyTransport;

/// One recipient of an [`EnvelopedData`](super::EnvelopedData): one content key, encrypted in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecipientInfo<'a> {
    /// A public key to which the content key was encrypted. Its version says nothing that its form does not, and is not checked.
    KeyTransport {
        /// Whose key.
        id: CertificateId<'a>,
        /// How; `None` for a way that the crate does not know.
        algorithm: Option<KeyTransport>,
        /// The encrypted content key.
        wrapped: &'a [u8],
    },
    /// An elliptic-curve key with which the sender agreed upon a key that wraps the content key.
    KeyAgreement {
        /// Whose key.
        id: CertificateId<'a>,
        /// Whether the crate knows the way in which it was agreed upon and wrapped.
        known: bool,
        /// The wrapped content key.
        wrapped: &'a [u8],
    },
    /// A password, under a key that is derived from it with PBKDF2.
    Password {
        /// How many rounds the derivation takes; many are refused when it is opened.
        iterations: u32,
    },
    /// Another kind, as it was received: shared keys, other agreements, passwords in another way, other forms.
    Unsupported(&'a [u8]),
}

/// Where a recipient stands in the buffer of its message.
#[derive(Clone, Debug)]
pub(super) enum RecipientFields {
    KeyTransport { id: IdFields, algorithm: Option<KeyTransport>, wrapped: Range<usize> },
    KeyAgreement(AgreementFields),
    Password(PasswordFields),
    Unsupported(Range<usize>),
}

impl RecipientFields {
    /// Reads RecipientInfos.
    pub(super) fn read_all(infos: &mut Reader<'_>) -> Result<Vec<Self>, Asn1Error> {
        let mut recipients = Vec::new();
        while !infos.is_empty() {
            let element = infos.element()?;
            let other = || RecipientFields::Unsupported(span(element));
            match element.tag() {
                Tag::SEQUENCE => recipients.push(Self::read_transport(element)?),
                tag if tag == Tag::context_constructed(1) => match AgreementFields::read(element)? {
                    Some(fields) => recipients.extend(fields.into_iter().map(RecipientFields::KeyAgreement)),
                    None => recipients.push(other()),
                },
                tag if tag == Tag::context_constructed(3) => {
                    recipients.push(PasswordFields::read(element)?.map_or_else(other, RecipientFields::Password));
                }
                _ => recipients.push(other()),
            }
        }
        Ok(recipients)
    }

    fn read_transport(element: Element<'_>) -> Result<Self, Asn1Error> {
        let mut info = element.reader();
        info.small_integer()?;
        let id = IdFields::read(&mut info)?;
        let algorithm = KeyTransport::read(&mut info)?;
        let wrapped = value_span(info.tagged(Tag::OCTET_STRING)?);
        info.finish()?;
        Ok(RecipientFields::KeyTransport { id, algorithm, wrapped })
    }

    pub(super) fn view<'a>(&self, der: &'a [u8]) -> RecipientInfo<'a> {
        let part = |range: &Range<usize>| der.get(range.clone()).unwrap_or_default();
        match self {
            RecipientFields::KeyTransport { id, algorithm, wrapped } => {
                RecipientInfo::KeyTransport { id: id.view(der), algorithm: *algorithm, wrapped: part(wrapped) }
            }
            RecipientFields::KeyAgreement(fields) => RecipientInfo::KeyAgreement {
                id: fields.id.view(der),
                known: fields.is_known(),
                wrapped: part(&fields.wrapped),
            },
            RecipientFields::Password(fields) => RecipientInfo::Password { iterations: fields.iterations },
            RecipientFields::Unsupported(raw) => RecipientInfo::Unsupported(part(raw)),
        }
    }
}
