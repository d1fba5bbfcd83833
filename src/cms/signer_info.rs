//! One signer of a SignedData, and the check of its signature (RFC 5652 sections 5.3 to 5.6).

use std::fmt;
use std::ops::Range;

use super::identifier::{CertificateId, IdFields};
use super::{Attributes, Error, as_set, oid, span, value_span};
use crate::asn1::{Element, Error as Asn1Error, Oid, Reader, Tag, Writer};
use crate::crypto::{DigestAlgorithm, KeyTransport, Legacy, Provider, PublicKey, SignatureAlgorithm};
use crate::time::Timestamp;
use crate::x509::accept_key;

/// What a signature is forgiven. The default forgives nothing.
///
/// ```
/// use mdm_core::cms::SignaturePolicy;
/// use mdm_core::crypto::Legacy;
///
/// let old_client = SignaturePolicy { legacy: Legacy { sha1: true, ..Legacy::NONE }, ..SignaturePolicy::default() };
/// assert!(!old_client.without_signed_attributes);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignaturePolicy {
    /// Which broken algorithms are believed.
    pub legacy: Legacy,
    /// Signatures over the bare content are believed. Needed by Mdm-Signature of macOS. Never in SCEP: without signed attributes
    /// a signature can be taken from one message into another.
    pub without_signed_attributes: bool,
    /// When a signature does not hold over the attributes as they were received, it is tried once more over their DER form,
    /// sorted. Needed by clients that send attributes in another order than the one they signed (step-ca issue 1723).
    pub unsorted_attributes: bool,
    /// Signed attributes without contentType, although RFC 5652 section 11.1 demands it. Needed by replies of old OpenXPKI. Only for
    /// messages whose other attributes say what they are, as those of SCEP do.
    pub missing_content_type: bool,
}

/// Where a SignerInfo stands in the buffer of its message.
#[derive(Clone, Debug)]
pub(super) struct SignerFields {
    id: IdFields,
    digest: Option<DigestAlgorithm>,
    signed_attributes: Option<Range<usize>>,
    algorithm: Range<usize>,
    signature: Range<usize>,
}

impl SignerFields {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let mut info = reader.sequence()?;
        info.small_integer()?;
        let id = IdFields::read(&mut info)?;
        let digest = DigestAlgorithm::read(&mut info)?;
        let signed_attributes = read_attributes(&mut info, 0)?;
        let algorithm = info.tagged(Tag::SEQUENCE)?;
        algorithm.reader().oid()?;
        let signature = value_span(info.tagged(Tag::OCTET_STRING)?);
        read_attributes(&mut info, 1)?;
        info.finish()?;
        Ok(SignerFields { id, digest, signed_attributes, algorithm: span(algorithm), signature })
    }
}

/// The attributes under an IMPLICIT tag, read through once.
fn read_attributes(info: &mut Reader<'_>, number: u8) -> Result<Option<Range<usize>>, Asn1Error> {
    let Some(element) = info.optional(Tag::context_constructed(number))? else { return Ok(None) };
    Attributes(element.reader()).check()?;
    Ok(Some(span(element)))
}

/// One signer of a [`SignedData`](super::SignedData).
#[derive(Clone)]
pub struct SignerInfo<'a> {
    der: &'a [u8],
    fields: &'a SignerFields,
    content_type: Oid<'a>,
}

impl<'a> SignerInfo<'a> {
    pub(super) fn new(der: &'a [u8], fields: &'a SignerFields, content_type: Oid<'a>) -> Self {
        SignerInfo { der, fields, content_type }
    }

    fn part(&self, range: &Range<usize>) -> &'a [u8] {
        self.der.get(range.clone()).unwrap_or_default()
    }

    /// Which certificate the signer says is its own.
    pub fn id(&self) -> CertificateId<'a> {
        self.fields.id.view(self.der)
    }

    /// The digest that the signer used; `None` for one that the crate does not know.
    pub fn digest_algorithm(&self) -> Option<DigestAlgorithm> {
        self.fields.digest
    }

    /// What the signature is made with; `None` when the crate does not know it, or when its digest is not the one declared.
    ///
    /// Both spellings of RSA are read: rsaEncryption, which leaves the digest to its own field, and sha256WithRSAEncryption and
    /// its kin.
    pub fn signature_algorithm(&self) -> Option<SignatureAlgorithm> {
        let digest = self.fields.digest?;
        let identifier = Reader::new(self.part(&self.fields.algorithm));
        if KeyTransport::read(&mut identifier.clone()) == Ok(Some(KeyTransport::RsaPkcs1)) {
            return Some(SignatureAlgorithm::rsa(digest));
        }
        SignatureAlgorithm::read(&mut identifier.clone()).ok()?.filter(|algorithm| algorithm.digest() == digest)
    }

    /// Whether the signature algorithm is spelled as rsaEncryption, which leaves the digest to its own field (RFC 3370 section 3.2), or is
    /// none of RSA. The other spelling, sha256WithRSAEncryption and its kin, names the digest twice.
    pub fn names_digest_once(&self) -> bool {
        let identifier = Reader::new(self.part(&self.fields.algorithm));
        let named = SignatureAlgorithm::read(&mut identifier.clone());
        !matches!(named, Ok(Some(algorithm)) if algorithm.is_rsa())
    }

    /// The signed attributes as they were received, when there are any.
    pub fn signed_attributes(&self) -> Option<Attributes<'a>> {
        self.raw_attributes().map(|element| Attributes(element.reader()))
    }

    fn raw_attributes(&self) -> Option<Element<'a>> {
        let range = self.fields.signed_attributes.as_ref()?;
        Reader::starting_at(self.part(range), range.start).element().ok()
    }

    /// When the signer says that it signed, where it says so.
    ///
    /// # Errors
    /// [`Error::AttributeRepeated`], or [`Error::Malformed`] with the byte within the attributes.
    pub fn signing_time(&self) -> Result<Option<Timestamp>, Error> {
        let Some(attributes) = self.signed_attributes() else { return Ok(None) };
        let value = attributes.optional(oid::SIGNING_TIME, "signingTime")?;
        Ok(value.map(Element::time).transpose()?)
    }

    /// Whether the signature is the key's over this content.
    ///
    /// With signed attributes: each stands once, contentType is the message's, messageDigest is the content's, and the signature
    /// covers the attributes as they were received. Without: the signature covers the content, if the policy allows that.
    ///
    /// # Errors
    /// [`Error::NoSignedAttributes`], [`Error::AttributeMissing`] and [`Error::AttributeRepeated`] for the shape;
    /// [`Error::Algorithm`] for what the policy refuses; [`Error::Signature`] for everything else.
    pub fn verify(&self, content: &[u8], key: &PublicKey, provider: &Provider, policy: &SignaturePolicy) -> Result<(), Error> {
        let algorithm = self.allowed_algorithm(policy.legacy)?;
        accept_key(key, policy.legacy).map_err(|_| Error::Algorithm("signer's key"))?;
        let Some(attributes) = self.raw_attributes() else {
            if !policy.without_signed_attributes || reads_as_attributes(content) {
                return Err(Error::NoSignedAttributes);
            }
            return self.check(algorithm, key, content, provider);
        };
        self.check_attributes(&Attributes(attributes.reader()), content, algorithm.digest(), provider, policy)?;
        let received = as_set(attributes.raw());
        let outcome = self.check(algorithm, key, &received, provider);
        match outcome {
            Err(Error::Signature) if policy.unsorted_attributes => {
                let sorted = sorted_set(attributes);
                if sorted == received { outcome } else { self.check(algorithm, key, &sorted, provider) }
            }
            outcome => outcome,
        }
    }

    fn allowed_algorithm(&self, legacy: Legacy) -> Result<SignatureAlgorithm, Error> {
        let algorithm = self.signature_algorithm().ok_or(Error::Algorithm("signature algorithm"))?;
        if legacy.allows_digest(algorithm.digest()) { Ok(algorithm) } else { Err(Error::Algorithm("digest algorithm")) }
    }

    /// RFC 5652 section 11: contentType, messageDigest and, where it is there, signingTime, each once and with one value.
    fn check_attributes(
        &self,
        attributes: &Attributes<'_>,
        content: &[u8],
        digest: DigestAlgorithm,
        provider: &Provider,
        policy: &SignaturePolicy,
    ) -> Result<(), Error> {
        attributes.check_unique()?;
        let same_type = match attributes.optional(oid::CONTENT_TYPE, "contentType")? {
            Some(named) => named.tag() == Tag::OID && named.value() == self.content_type.content(),
            None if policy.missing_content_type => true,
            None => return Err(Error::AttributeMissing("contentType")),
        };
        let message_digest = attributes.required(oid::MESSAGE_DIGEST, "messageDigest")?;
        attributes.optional(oid::SIGNING_TIME, "signingTime")?;
        let same_digest =
            message_digest.tag() == Tag::OCTET_STRING && message_digest.value() == provider.digest(digest, content).as_ref();
        if same_type && same_digest { Ok(()) } else { Err(Error::Signature) }
    }

    fn check(&self, algorithm: SignatureAlgorithm, key: &PublicKey, message: &[u8], provider: &Provider) -> Result<(), Error> {
        let signature = self.part(&self.fields.signature);
        provider.verifier.verify(algorithm, key, message, signature).map_err(|_| Error::Signature)
    }
}

impl fmt::Debug for SignerInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignerInfo")
            .field("algorithm", &self.signature_algorithm())
            .field("signed_attributes", &self.fields.signed_attributes.is_some())
            .finish_non_exhaustive()
    }
}

fn sorted_set(attributes: Element<'_>) -> Vec<u8> {
    let mut rest = attributes.reader();
    let elements = std::iter::from_fn(|| rest.element().ok().map(Element::raw));
    Writer::build_with_capacity(attributes.raw().len(), |w| w.set_of(Tag::SET, elements))
}

/// Whether content that was signed without attributes could as well be the attributes of another message: then the signature may
/// have been lifted from there (ForgedAttributes, IACR ePrint 2023/1801).
fn reads_as_attributes(content: &[u8]) -> bool {
    let mut reader = Reader::new(content);
    let Ok(set) = reader.set() else { return false };
    let attributes = Attributes(set);
    reader.is_empty() && attributes.check().is_ok() && attributes.iter().next().is_some()
}
