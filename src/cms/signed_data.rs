//! SignedData as it was received (RFC 5652 section 5).

use std::fmt;
use std::ops::Range;

use super::signer_info::{SignerFields, SignerInfo};
use super::{Error, oid, read_content_info, span, value_span};
use crate::asn1::{self, Error as Asn1Error, Oid, Reader, Tag};
use crate::crypto::read_identifier;
use crate::limits::Limits;
use crate::x509::Certificate;

/// A signed message: one owned buffer, in DER, and where its parts stand in it.
///
/// Nothing is believed yet. [`SignerInfo::verify`] says whether a signature holds for a key; whose key that is, and whether it is
/// trusted, is the caller's to decide.
///
/// ```no_run
/// # fn show(bytes: &[u8], signer: &mdm_core::x509::Certificate, provider: &mdm_core::crypto::Provider) -> Result<(), mdm_core::cms::Error> {
/// use mdm_core::cms::{SignaturePolicy, SignedData};
/// use mdm_core::limits::Limits;
///
/// let message = SignedData::parse(bytes, &Limits::PKI)?;
/// let content = message.content().unwrap_or_default();
/// message.sole_signer()?.verify(content, signer.public_key(), provider, &SignaturePolicy::default())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SignedData {
    der: Vec<u8>,
    content_type: Range<usize>,
    content: Option<Content>,
    certificates: Vec<Range<usize>>,
    crls: Vec<Range<usize>>,
    signers: Vec<SignerFields>,
}

#[derive(Clone, Debug)]
struct Content {
    tag: Tag,
    value: Range<usize>,
}

impl SignedData {
    /// Reads a ContentInfo that holds SignedData, BER or DER.
    ///
    /// Certificates and CRLs are kept as they are, so that one that cannot be read does not spoil the rest.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the byte of the DER form, [`Error::ContentType`].
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let der = asn1::to_der(bytes, limits)?.into_owned();
        let (_, content) = read_content_info(&der, [oid::SIGNED_DATA], "SignedData")?;
        let fields = Fields::read(content)?;
        let Fields { content_type, content, certificates, crls, signers } = fields;
        Ok(SignedData { content_type, content, certificates, crls, signers, der })
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.der.get(range.clone()).unwrap_or_default()
    }

    /// The message in DER, as it was received or as the BER pass made it.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The type of the content: id-data in SCEP.
    pub fn content_type(&self) -> Oid<'_> {
        Oid::from_content(self.part(&self.content_type))
    }

    /// Whether the content is of type id-data.
    pub fn is_data(&self) -> bool {
        self.content_type() == oid::DATA
    }

    /// What was signed: the octets of the OCTET STRING, or those inside another element as PKCS#7 had it (RFC 5652 section
    /// 5.2.1). `None` when the content is absent: detached, or a message that has none.
    pub fn content(&self) -> Option<&[u8]> {
        self.content.as_ref().map(|content| self.part(&content.value))
    }

    /// The tag of the content; something else than an OCTET STRING in PKCS#7.
    pub fn content_tag(&self) -> Option<Tag> {
        self.content.as_ref().map(|content| content.tag)
    }

    /// The certificates, each as its element was received, in wire order. They prove nothing.
    pub fn certificates(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.certificates.iter().map(|range| self.part(range))
    }

    /// The certificate revocation lists, each as its element was received.
    pub fn crls(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.crls.iter().map(|range| self.part(range))
    }

    /// The signers, in wire order.
    pub fn signers(&self) -> impl ExactSizeIterator<Item = SignerInfo<'_>> {
        self.signers.iter().map(|fields| SignerInfo::new(&self.der, fields, self.content_type()))
    }

    /// The signer of a message that must have exactly one.
    ///
    /// # Errors
    /// [`Error::Signers`].
    pub fn sole_signer(&self) -> Result<SignerInfo<'_>, Error> {
        let mut signers = self.signers();
        match (signers.next(), signers.len()) {
            (Some(signer), 0) => Ok(signer),
            _ => Err(Error::Signers(self.signers.len())),
        }
    }

    /// The certificate in the message that a signer names. A candidate, no more: anybody can put a certificate with another's
    /// issuer and serial number into a message, so trust comes from comparing its key or its bytes with what the caller holds.
    pub fn signer_certificate(&self, signer: &SignerInfo<'_>) -> Option<Certificate> {
        self.certificates().filter_map(|der| Certificate::from_der(der).ok()).find(|certificate| signer.id().names(certificate))
    }
}

impl fmt::Debug for SignedData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedData")
            .field("content_type", &self.content_type())
            .field("content", &self.content().map(<[u8]>::len))
            .field("certificates", &self.certificates.len())
            .field("crls", &self.crls.len())
            .field("signers", &self.signers().collect::<Vec<_>>())
            .finish()
    }
}

/// What [`SignedData`] is made of, before it owns its buffer.
struct Fields {
    content_type: Range<usize>,
    content: Option<Content>,
    certificates: Vec<Range<usize>>,
    crls: Vec<Range<usize>>,
    signers: Vec<SignerFields>,
}

impl Fields {
    fn read(mut signed: Reader<'_>) -> Result<Self, Asn1Error> {
        signed.small_integer()?;
        // Whether each signer's digest is among these is not asked (RFC 5652 section 5.1: a receiver may).
        let mut digests = signed.set()?;
        while !digests.is_empty() {
            read_identifier(&mut digests)?;
        }
        let mut encapsulated = signed.sequence()?;
        let content_type = encapsulated.tagged(Tag::OID)?;
        content_type.oid()?;
        let content = match encapsulated.optional_nested(Tag::context_constructed(0))? {
            Some(mut explicit) => {
                let element = explicit.element()?;
                explicit.finish()?;
                Some(Content { tag: element.tag(), value: value_span(element) })
            }
            None => None,
        };
        encapsulated.finish()?;
        let certificates = spans(signed.optional_nested(Tag::context_constructed(0))?)?;
        let crls = spans(signed.optional_nested(Tag::context_constructed(1))?)?;
        let mut infos = signed.set()?;
        let mut signers = Vec::new();
        while !infos.is_empty() {
            signers.push(SignerFields::read(&mut infos)?);
        }
        signed.finish()?;
        Ok(Fields { content_type: value_span(content_type), content, certificates, crls, signers })
    }
}

fn spans(reader: Option<Reader<'_>>) -> Result<Vec<Range<usize>>, Asn1Error> {
    let Some(mut reader) = reader else { return Ok(Vec::new()) };
    // Counted first: a vector that grows takes half as much again, and an element is no more than two octets.
    let mut counted = reader.clone();
    let mut count = 0_usize;
    while !counted.is_empty() {
        counted.element()?;
        count = count.saturating_add(1);
    }
    let mut found = Vec::with_capacity(count);
    while !reader.is_empty() {
        found.push(span(reader.element()?));
    }
    Ok(found)
}
