//! Requests for certificates, PKCS#10.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use super::extension::Extensions;
use super::signature::{Frame, Signed, check_signer};
use super::{Error, Name, oid, pem};
use crate::asn1::{Element, Error as Asn1Error, ErrorKind, Oid, Reader, Tag};
use crate::crypto::{Legacy, Provider, PublicKey, SignatureAlgorithm, ToBeSigned};
use crate::limits::Limits;
use crate::secret::Secret;

/// A request for a certificate (RFC 2986) as it was received, its signature not yet checked. Cloning it copies a pointer.
///
/// The attributes that matter stand at most once: a second challengePassword or extensionRequest (Microsoft's older identifier
/// counts as the same) is refused, since two programs could take two different ones. The bytes may hold the challenge, so they are
/// wiped when the last clone is dropped; whoever stores a request stores the challenge with it.
///
/// ```text
/// Csr ── verify(&provider, legacy) ─► ProvenCsr
/// ```
#[derive(Clone)]
pub struct Csr(Arc<Inner>);

struct Inner {
    der: Secret,
    signed: Signed,
    fields: Fields,
}

/// What stands in the signed part.
struct Fields {
    subject: Name,
    public_key: PublicKey,
    /// Where the content of the attributes stands.
    attributes: Range<usize>,
    /// Where the content of the requested extensions stands.
    extensions: Range<usize>,
}

const WHAT: &str = "certificate request";
const LABEL: &str = "CERTIFICATE REQUEST";
const LABELS: [&str; 2] = [LABEL, "NEW CERTIFICATE REQUEST"];

impl Csr {
    /// Reads a request of at most 256 KiB that fills the input.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        Self::read(der).map_err(Error::malformed(WHAT))
    }

    fn read(der: &[u8]) -> Result<Self, Asn1Error> {
        if der.len() > Limits::PKI.max_bytes {
            return Err(Asn1Error::new(ErrorKind::TooLong(Limits::PKI.max_bytes), 0));
        }
        let frame = Frame::read(der)?;
        frame.rest.finish()?;
        let fields = Fields::read(frame.part.reader())?;
        Ok(Csr(Arc::new(Inner { der: Secret::from(der), signed: frame.signed, fields })))
    }

    /// Reads the first request of a PEM text, under either label in use; what stands around it is passed over.
    ///
    /// # Errors
    /// [`Error::Pem`], [`Error::Malformed`].
    pub fn from_pem(text: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::from_der(Secret::new(pem::decode(&LABELS, text.as_ref())?).expose())
    }

    /// What lacks nothing but its signature to be a request; the template has written the bytes.
    pub(super) fn to_be_signed(
        info: Vec<u8>,
        key: &PublicKey,
        algorithm: SignatureAlgorithm,
        provider: &Provider,
    ) -> Result<ToBeSigned<Self>, Error> {
        check_signer(key, algorithm)?;
        let mut fields =
            Fields::read(Reader::new(&info).sequence().map_err(Error::malformed(WHAT))?).map_err(Error::malformed(WHAT))?;
        Ok(ToBeSigned::consuming(algorithm, key.clone(), info, provider, move |info, signature| {
            let (der, signed) = Signed::enclose(info, algorithm, signature);
            fields.shift(signed.part.start);
            Csr(Arc::new(Inner { der: Secret::new(der), signed, fields }))
        }))
    }

    /// The DER as it was received.
    pub fn as_der(&self) -> &[u8] {
        self.0.der.expose()
    }

    /// A PEM block with lines of 64 columns.
    pub fn to_pem(&self) -> String {
        pem::encode(LABEL, self.as_der())
    }

    /// The name that is asked for. May be empty.
    pub fn subject(&self) -> &Name {
        &self.0.fields.subject
    }

    /// The key that is to be certified.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.fields.public_key
    }

    /// The algorithm of the signature, when it is a known one.
    pub fn signature_algorithm(&self) -> Option<SignatureAlgorithm> {
        self.0.signed.algorithm
    }

    /// Every attribute: its type, and a reader of the values in its SET.
    pub fn attributes(&self) -> impl Iterator<Item = (Oid<'_>, Reader<'_>)> {
        let range = self.0.fields.attributes.clone();
        let at = range.start;
        let mut reader = Reader::starting_at(self.as_der().get(range).unwrap_or_default(), at);
        // The attributes were checked when the request was read, so that an error cannot be but their end.
        std::iter::from_fn(move || read_attribute(&mut reader).ok())
    }

    /// The challengePassword, as text in UTF-8 or, when its octets are not what its string type says, as those octets.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is neither a string nor an OCTET STRING.
    pub fn challenge_password(&self) -> Result<Option<Secret>, Error> {
        let Some((_, mut values)) = self.attributes().find(|(oid, _)| *oid == oid::CHALLENGE_PASSWORD) else {
            return Ok(None);
        };
        values.element().and_then(challenge).map(Some).map_err(Error::malformed("challengePassword"))
    }

    /// The type of the challengePassword, when there is one: RFC 2985 section 5.4.1 wants a DirectoryString.
    pub fn challenge_tag(&self) -> Option<Tag> {
        let (_, values) = self.attributes().find(|(oid, _)| *oid == oid::CHALLENGE_PASSWORD)?;
        values.peek()
    }

    /// The extensions that are asked for; empty when none are. A wish, not a fact: whoever issues decides about each.
    pub fn extensions(&self) -> Extensions<'_> {
        let range = self.0.fields.extensions.clone();
        let at = range.start;
        Extensions::stored(self.as_der().get(range).unwrap_or_default(), at)
    }

    /// Checks that the request was signed with the key that it asks to have certified, over the bytes as they were received.
    ///
    /// # Errors
    /// [`Error::Refused`] when the key or the algorithm is one that is not believed, [`Error::Crypto`] when the signature is not by
    /// the key.
    pub fn verify(&self, provider: &Provider, legacy: Legacy) -> Result<ProvenCsr, Error> {
        self.0.signed.verify(self.as_der(), self.public_key(), provider, legacy)?;
        Ok(ProvenCsr(self.clone()))
    }
}

impl Fields {
    /// Reads the content of CertificationRequestInfo.
    fn read(mut info: Reader<'_>) -> Result<Self, Asn1Error> {
        let at = info.at();
        // RFC 2986 knows version 0 alone. Apple's own client once wrote 2, and nothing else in the request hangs on it.
        if info.small_integer()? > 2 {
            return Err(Asn1Error::field("version (above 2)", at));
        }
        let subject = Name::read(&mut info)?;
        let public_key = PublicKey::read(&mut info)?;
        // RFC 2986 wants the field even when it is empty; not every client writes it then.
        let attributes = info.optional_nested(Tag::context_constructed(0))?.unwrap_or_else(|| Reader::new(&[]));
        info.finish()?;
        let extensions = read_attributes(attributes.clone())?.map_or(0..0, |extensions| extensions.range());
        let attributes = attributes.at()..attributes.at().saturating_add(attributes.rest().len());
        Ok(Fields { subject, public_key, attributes, extensions })
    }

    /// Moves what was read from the signed part alone to where it stands in the whole.
    fn shift(&mut self, by: usize) {
        for range in [&mut self.attributes, &mut self.extensions] {
            *range = range.start.saturating_add(by)..range.end.saturating_add(by);
        }
    }
}

/// Attribute, RFC 2986 section 4.1.
fn read_attribute<'a>(reader: &mut Reader<'a>) -> Result<(Oid<'a>, Reader<'a>), Asn1Error> {
    let mut attribute = reader.sequence()?;
    let oid = attribute.oid()?;
    let values = attribute.set()?;
    attribute.finish()?;
    Ok((oid, values))
}

/// Checks every attribute and gives the requested extensions.
fn read_attributes<'a>(mut attributes: Reader<'a>) -> Result<Option<Extensions<'a>>, Asn1Error> {
    let mut challenged = false;
    let mut extensions = None;
    while !attributes.is_empty() {
        let at = attributes.at();
        let (oid, mut values) = read_attribute(&mut attributes)?;
        match oid {
            oid::CHALLENGE_PASSWORD => {
                values.element()?;
                values.finish()?;
                if std::mem::replace(&mut challenged, true) {
                    return Err(Asn1Error::field("challengePassword (a second one)", at));
                }
            }
            oid::EXTENSION_REQUEST | oid::MICROSOFT_EXTENSION_REQUEST => {
                let requested = Extensions::read(&mut values)?;
                values.finish()?;
                if extensions.replace(requested).is_some() {
                    return Err(Asn1Error::field("extensionRequest (a second one)", at));
                }
            }
            _ => {}
        }
    }
    Ok(extensions)
}

/// RFC 2985 section 5.4.1 allows a DirectoryString; clients send whatever string they have.
fn challenge(value: Element<'_>) -> Result<Secret, Asn1Error> {
    if let Some(text) = value.text() {
        return Ok(Secret::from(text.into_owned()));
    }
    match value.tag() {
        Tag::OCTET_STRING
        | Tag::UTF8_STRING
        | Tag::PRINTABLE_STRING
        | Tag::IA5_STRING
        | Tag::NUMERIC_STRING
        | Tag::VISIBLE_STRING
        | Tag::BMP_STRING
        | Tag::UNIVERSAL_STRING => Ok(Secret::from(value.value())),
        found => Err(Asn1Error::new(ErrorKind::Unexpected { expected: Tag::PRINTABLE_STRING, found }, value.at())),
    }
}

impl PartialEq for Csr {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Csr {}

impl fmt::Debug for Csr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Csr")
            .field("subject", self.subject())
            .field("public_key", self.public_key())
            .field("extensions", &self.extensions())
            .finish_non_exhaustive()
    }
}

pem::serde_as_base64!(Csr);

/// A request whose signature held: the asker has the private key. There is no other way to make one than [`Csr::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenCsr(Csr);

impl ProvenCsr {
    /// From a record that is made of proven requests only.
    pub(crate) const fn stored(csr: Csr) -> Self {
        ProvenCsr(csr)
    }
}

impl Deref for ProvenCsr {
    type Target = Csr;

    fn deref(&self) -> &Csr {
        &self.0
    }
}

impl AsRef<Csr> for ProvenCsr {
    fn as_ref(&self) -> &Csr {
        &self.0
    }
}
