//! To whom an envelope is addressed (RFC 5652 section 6.2).

use std::ops::Range;

use super::identifier::{CertificateId, IdFields};
use super::password::PasswordFields;
use super::{span, value_span};
use crate::asn1::{Error as Asn1Error, Reader, Tag};
use crate::crypto::KeyTransport;

/// One recipient of an [`EnvelopedData`](super::EnvelopedData).
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
    /// A password, under a key that is derived from it with PBKDF2.
    Password {
        /// How many rounds the derivation takes; many are refused when it is opened.
        iterations: u32,
    },
    /// Another kind, as it was received: key agreement, shared keys, passwords in another way, other forms.
    Unsupported(&'a [u8]),
}

/// Where a recipient stands in the buffer of its message.
#[derive(Clone, Debug)]
pub(super) enum RecipientFields {
    KeyTransport { id: IdFields, algorithm: Option<KeyTransport>, wrapped: Range<usize> },
    Password(PasswordFields),
    Unsupported(Range<usize>),
}

impl RecipientFields {
    pub(super) fn read(recipients: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let element = recipients.element()?;
        if element.tag() == Tag::context_constructed(3)
            && let Some(fields) = PasswordFields::read(element)?
        {
            return Ok(RecipientFields::Password(fields));
        }
        if element.tag() != Tag::SEQUENCE {
            return Ok(RecipientFields::Unsupported(span(element)));
        }
        let mut info = element.reader();
        info.small_integer()?;
        let id = IdFields::read(&mut info)?;
        let algorithm = KeyTransport::read(&mut info)?;
        let wrapped = value_span(info.expect(Tag::OCTET_STRING)?);
        info.finish()?;
        Ok(RecipientFields::KeyTransport { id, algorithm, wrapped })
    }

    pub(super) fn view<'a>(&self, der: &'a [u8]) -> RecipientInfo<'a> {
        let part = |range: &Range<usize>| der.get(range.clone()).unwrap_or_default();
        match self {
            RecipientFields::KeyTransport { id, algorithm, wrapped } => {
                RecipientInfo::KeyTransport { id: id.view(der), algorithm: *algorithm, wrapped: part(wrapped) }
            }
            RecipientFields::Password(fields) => RecipientInfo::Password { iterations: fields.iterations },
            RecipientFields::Unsupported(raw) => RecipientInfo::Unsupported(part(raw)),
        }
    }
}
