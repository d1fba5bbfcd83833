//! Certificates.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use super::extension::{
    self, AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, Extension, ExtensionType, Extensions, KeyIdentifier,
    KeyUsage, SubjectAlternativeNames, SubjectKeyIdentifier,
};
use super::signature::{Frame, Signed, check_signer};
use super::{Error, Name, SerialNumber, oid, pem};
use crate::asn1::{Error as Asn1Error, ErrorKind, Oid, Reader, Tag, Writer};
use crate::crypto::{Digest, DigestAlgorithm, Legacy, Provider, PublicKey, SignatureAlgorithm, ToBeSigned};
use crate::limits::Limits;
use crate::time::Timestamp;

/// From when until when a certificate is good; both moments belong to it (RFC 5280 section 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Validity {
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

impl Validity {
    /// Whether the moment lies within.
    pub fn contains(self, at: Timestamp) -> bool {
        self.not_before <= at && at <= self.not_after
    }

    /// Writes Validity.
    pub(super) fn write(self, w: &mut Writer) {
        w.sequence(|w| {
            w.time(self.not_before);
            w.time(self.not_after);
        });
    }

    /// Reads Validity.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let mut inner = reader.sequence()?;
        let validity = Validity { not_before: inner.time()?, not_after: inner.time()? };
        inner.finish()?;
        Ok(validity)
    }
}

/// A certificate (RFC 5280 section 4.1) as it was received. Cloning it copies a pointer.
///
/// Read are versions 1 to 3, any serial number, any string type. Refused is what two programs could read in two ways: an extension
/// that stands twice, extensions below version 3, algorithms that differ inside and outside, bytes after the end, times in other
/// forms than those of RFC 5280. Extensions that bear on trust (basicConstraints, keyUsage, extKeyUsage and the key identifiers)
/// are read with the certificate; all others when they are asked for.
///
/// ```
/// # let pem = include_str!("../../tests/data/x509/leaf.pem");
/// use mdm_core::x509::{Certificate, oid};
///
/// let certificate = Certificate::from_pem(pem)?;
/// println!("{} until {}", certificate.subject(), certificate.validity().not_after);
/// assert!(certificate.extended_key_usage().is_some_and(|usage| usage.allows(oid::CLIENT_AUTH)));
/// # Ok::<(), mdm_core::x509::Error>(())
/// ```
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    signed: Signed,
    fields: Fields,
}

/// What stands in the signed part.
struct Fields {
    version: u32,
    serial: SerialNumber,
    /// The AlgorithmIdentifier in DER.
    algorithm: Vec<u8>,
    issuer: Name,
    validity: Validity,
    subject: Name,
    public_key: PublicKey,
    /// Where the content of the list of extensions stands.
    extensions: Range<usize>,
    basic_constraints: Option<BasicConstraints>,
    key_usage: Option<KeyUsage>,
    extended_key_usage: Option<ExtendedKeyUsage>,
    subject_key_identifier: Option<KeyIdentifier>,
    authority_key_identifier: Option<KeyIdentifier>,
}

const WHAT: &str = "certificate";
const LABEL: &str = "CERTIFICATE";
/// The second is what OpenSSL wrote long ago.
const LABELS: [&str; 2] = [LABEL, "X509 CERTIFICATE"];

impl Certificate {
    /// Reads a certificate of at most 256 KiB that fills the input.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let malformed = Error::malformed(WHAT);
        if der.len() > Limits::PKI.max_bytes {
            return Err(malformed(Asn1Error::new(ErrorKind::TooLong(Limits::PKI.max_bytes), 0)));
        }
        let frame = Frame::read(der).map_err(&malformed)?;
        let at = frame.algorithm.at();
        let fields = Fields::read(frame.part.reader())?;
        frame.rest.finish().map_err(&malformed)?;
        if fields.algorithm != frame.algorithm.raw() {
            return Err(malformed(Asn1Error::field("signatureAlgorithm (not the one inside)", at)));
        }
        Ok(Certificate(Arc::new(Inner { der: der.to_vec(), signed: frame.signed, fields })))
    }

    /// What lacks nothing but its signature to be a certificate, from a TBSCertificate that was kept: how an authority that stopped
    /// between reserving and signing goes on with the very bytes that it reserved.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the bytes are no TBSCertificate, [`Error::Misuse`] when they name another algorithm or when the key
    /// does not make such signatures.
    pub fn to_be_signed_from(
        tbs: Vec<u8>,
        issuer_key: &PublicKey,
        algorithm: SignatureAlgorithm,
        provider: &Provider,
    ) -> Result<ToBeSigned<Self>, Error> {
        check_signer(issuer_key, algorithm)?;
        let mut reader = Reader::new(&tbs);
        let content = reader.sequence().and_then(|content| reader.finish().map(|()| content));
        let mut fields = Fields::read(content.map_err(Error::malformed(WHAT))?)?;
        if fields.algorithm != Writer::build(|w| algorithm.write(w)) {
            return Err(Error::Misuse("the bytes to sign name another algorithm"));
        }
        Ok(ToBeSigned::consuming(algorithm, issuer_key.clone(), tbs, provider, move |tbs, signature| {
            let (der, signed) = Signed::enclose(tbs, algorithm, signature);
            let start = signed.part.start;
            fields.extensions = fields.extensions.start.saturating_add(start)..fields.extensions.end.saturating_add(start);
            Certificate(Arc::new(Inner { der, signed, fields }))
        }))
    }

    /// Reads the first certificate of a PEM text; what stands around it is passed over.
    ///
    /// # Errors
    /// [`Error::Pem`], [`Error::Malformed`].
    pub fn from_pem(text: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::from_der(&pem::decode(&LABELS, text.as_ref())?)
    }

    /// Reads every certificate of a PEM text, in its order.
    ///
    /// # Errors
    /// [`Error::Pem`] when there is none or one is damaged, [`Error::Malformed`].
    pub fn all_from_pem(text: impl AsRef<[u8]>) -> Result<Vec<Self>, Error> {
        let mut blocks = pem::Blocks::new(&LABELS, text.as_ref());
        let all = blocks.by_ref().map(|der| Self::from_der(&der?)).collect::<Result<Vec<Self>, Error>>()?;
        if all.is_empty() { Err(blocks.missing()) } else { Ok(all) }
    }

    /// The DER as it was received.
    pub fn as_der(&self) -> &[u8] {
        &self.0.der
    }

    /// A PEM block with lines of 64 columns.
    pub fn to_pem(&self) -> String {
        pem::encode(LABEL, &self.0.der)
    }

    /// The TBSCertificate as it was received: what the signature covers.
    pub fn tbs(&self) -> &[u8] {
        self.0.der.get(self.0.signed.part.clone()).unwrap_or_default()
    }

    /// The octets of the signature.
    pub fn signature(&self) -> &[u8] {
        self.0.der.get(self.0.signed.signature.clone()).unwrap_or_default()
    }

    /// The algorithm of the signature, when it is a known one.
    pub fn signature_algorithm(&self) -> Option<SignatureAlgorithm> {
        self.0.signed.algorithm
    }

    /// The version: 1, 2 or 3.
    pub fn version(&self) -> u32 {
        self.0.fields.version
    }

    /// The serial number.
    pub fn serial(&self) -> &SerialNumber {
        &self.0.fields.serial
    }

    /// Who signed it, by his own account.
    pub fn issuer(&self) -> &Name {
        &self.0.fields.issuer
    }

    /// Whose key it certifies. May be empty; then the names are in [`subject_alternative_names`](Self::subject_alternative_names).
    pub fn subject(&self) -> &Name {
        &self.0.fields.subject
    }

    /// From when until when it is good.
    pub fn validity(&self) -> Validity {
        self.0.fields.validity
    }

    /// The certified key.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.fields.public_key
    }

    /// Every extension.
    pub fn extensions(&self) -> Extensions<'_> {
        let range = self.0.fields.extensions.clone();
        let at = range.start;
        Extensions::stored(self.0.der.get(range).unwrap_or_default(), at)
    }

    /// basicConstraints.
    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.0.fields.basic_constraints
    }

    /// Whether it is the certificate of an authority: basicConstraints says so.
    pub fn is_authority(&self) -> bool {
        self.basic_constraints().is_some_and(|constraints| constraints.ca)
    }

    /// keyUsage. Absent means that nothing is ruled out.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.0.fields.key_usage
    }

    /// extKeyUsage. Absent means that nothing is ruled out.
    pub fn extended_key_usage(&self) -> Option<&ExtendedKeyUsage> {
        self.0.fields.extended_key_usage.as_ref()
    }

    /// subjectAltName.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it stands there and cannot be read.
    pub fn subject_alternative_names(&self) -> Result<Option<SubjectAlternativeNames>, Error> {
        self.extensions().find()
    }

    /// The identifier of the certified key.
    pub fn subject_key_identifier(&self) -> Option<&KeyIdentifier> {
        self.0.fields.subject_key_identifier.as_ref()
    }

    /// The identifier of the key that signed.
    pub fn authority_key_identifier(&self) -> Option<&KeyIdentifier> {
        self.0.fields.authority_key_identifier.as_ref()
    }

    /// Critical extensions that this module does not act on. Who relies on the certificate must know each of them, or refuse it
    /// (RFC 5280 section 4.2). [`NAME_CONSTRAINTS`](oid::NAME_CONSTRAINTS) is among them: it is not applied here.
    pub fn unknown_critical_extensions(&self) -> Vec<Oid<'_>> {
        const KNOWN: [Oid<'static>; 9] = [
            oid::BASIC_CONSTRAINTS,
            oid::KEY_USAGE,
            oid::EXTENDED_KEY_USAGE,
            oid::SUBJECT_ALT_NAME,
            oid::SUBJECT_KEY_IDENTIFIER,
            oid::AUTHORITY_KEY_IDENTIFIER,
            oid::CRL_DISTRIBUTION_POINTS,
            oid::AUTHORITY_INFO_ACCESS,
            oid::CERTIFICATE_POLICIES,
        ];
        let content = self.0.der.get(self.0.fields.extensions.clone()).unwrap_or_default();
        let critical = extension::each(content, 0).filter(Extension::is_critical).map(|extension| extension.oid());
        critical.filter(|oid| !KNOWN.contains(oid)).collect()
    }

    /// Whether issuer and subject are the same name, as in the certificate of a root.
    pub fn is_self_issued(&self) -> bool {
        self.issuer() == self.subject()
    }

    /// Checks that this key signed the certificate, over the bytes as they were received. Nothing else is checked: not the name of
    /// the issuer, not the time, not whether the key may certify. [`verify_path`](super::verify_path) checks all of it.
    ///
    /// # Errors
    /// [`Error::Refused`] when the algorithm or the key is one that is not believed, [`Error::Crypto`] when the signature is not by
    /// the key.
    pub fn verify_signature(&self, issuer: &PublicKey, provider: &Provider, legacy: Legacy) -> Result<(), Error> {
        self.0.signed.verify(&self.0.der, issuer, provider, legacy)
    }

    /// The digest of the DER.
    pub fn fingerprint(&self, provider: &Provider, algorithm: DigestAlgorithm) -> Digest {
        provider.digest(algorithm, &self.0.der)
    }
}

impl Fields {
    /// Reads the content of TBSCertificate.
    fn read(mut tbs: Reader<'_>) -> Result<Self, Error> {
        Self::read_plain(&mut tbs).map_err(Error::malformed(WHAT)).and_then(|(fields, extensions)| fields.with(&extensions))
    }

    fn read_plain<'a>(tbs: &mut Reader<'a>) -> Result<(Self, Extensions<'a>), Asn1Error> {
        let version_at = tbs.at();
        let version = read_version(tbs)?;
        let serial = SerialNumber::read(tbs)?;
        let algorithm = tbs.tagged(Tag::SEQUENCE)?;
        let issuer = Name::read(tbs)?;
        let validity = Validity::read(tbs)?;
        let subject = Name::read(tbs)?;
        let public_key = PublicKey::read(tbs)?;
        let unique_ids = [tbs.optional(Tag::context(1))?, tbs.optional(Tag::context(2))?];
        let extensions = Extensions::read_tagged(tbs, 3)?;
        tbs.clone().finish()?;
        if (extensions.is_some() && version < 3) || (unique_ids.iter().any(Option::is_some) && version < 2) {
            return Err(Asn1Error::field("version (too low for what follows)", version_at));
        }
        let extensions = extensions.unwrap_or_default();
        let fields = Fields {
            version,
            serial,
            algorithm: algorithm.raw().to_vec(),
            issuer,
            validity,
            subject,
            public_key,
            extensions: extensions.range(),
            basic_constraints: None,
            key_usage: None,
            extended_key_usage: None,
            subject_key_identifier: None,
            authority_key_identifier: None,
        };
        Ok((fields, extensions))
    }

    /// Reads the extensions that bear on trust, in one pass over the list.
    fn with(mut self, extensions: &Extensions<'_>) -> Result<Self, Error> {
        for extension in extensions.iter() {
            match extension.oid() {
                BasicConstraints::OID => self.basic_constraints = Some(extension.parse()?),
                KeyUsage::OID => self.key_usage = Some(extension.parse()?),
                ExtendedKeyUsage::OID => self.extended_key_usage = Some(extension.parse()?),
                SubjectKeyIdentifier::OID => {
                    self.subject_key_identifier = Some(extension.parse::<SubjectKeyIdentifier>()?.0);
                }
                AuthorityKeyIdentifier::OID => {
                    self.authority_key_identifier = extension.parse::<AuthorityKeyIdentifier>()?.0;
                }
                _ => {}
            }
        }
        Ok(self)
    }
}

/// The version as it is spoken of, 1 to 3. Version 1 written out, which DER forbids, is read as what it means.
fn read_version(tbs: &mut Reader<'_>) -> Result<u32, Asn1Error> {
    let Some(mut inner) = tbs.optional_nested(Tag::context_constructed(0))? else { return Ok(1) };
    let at = inner.at();
    let version = match inner.small_integer()? {
        0 => 1,
        1 => 2,
        2 => 3,
        _ => return Err(Asn1Error::field("version (neither 1, 2 nor 3)", at)),
    };
    inner.finish()?;
    Ok(version)
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl std::hash::Hash for Certificate {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.der.hash(state);
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("serial", self.serial())
            .field("issuer", self.issuer())
            .field("subject", self.subject())
            .field("validity", &self.validity())
            .field("public_key", self.public_key())
            .finish_non_exhaustive()
    }
}

impl<'a> From<&'a Certificate> for CertificateDer<'a> {
    fn from(certificate: &'a Certificate) -> Self {
        CertificateDer::from(certificate.as_der())
    }
}

impl TryFrom<&CertificateDer<'_>> for Certificate {
    type Error = Error;

    fn try_from(der: &CertificateDer<'_>) -> Result<Self, Error> {
        Certificate::from_der(der)
    }
}

pem::serde_as_base64!(Certificate);
