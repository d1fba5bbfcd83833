//! Revocation lists: read with [`CertificateRevocationList`], made with [`CrlTemplate`], whole or, when they are long, piece by piece.

mod encode;
mod entry;
mod scope;
mod stream;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use encode::{CrlEncoder, CrlTemplate};
use entry::ENTRY;
pub use entry::{RevocationReason, RevokedEntry};
use scope::read_any_number;
pub use scope::{CertificateScope, CrlNumber, DeltaCrlIndicator, IssuingDistributionPoint};
pub use stream::{CrlFrame, CrlMeasure, CrlWriter, UnsignedCrl};

use super::extension::{AuthorityKeyIdentifier, Extension, ExtensionType, Extensions, KeyIdentifier};
use super::signature::{Frame, Signed};
use super::{Error, Name, Refusal, SerialNumber, pem};
use crate::asn1::{Error as Asn1Error, ErrorKind, Reader, Tag};
use crate::crypto::{Legacy, Provider, PublicKey, SignatureAlgorithm};
use crate::limits::Limits;
use crate::time::Timestamp;

/// A revocation list (RFC 5280 section 5) as it was received. Cloning it copies a pointer; entries are read from its bytes one by
/// one.
///
/// Versions 1 and 2 are read. Refused are lists whose meaning is not the plain one: a critical extension that is not known, an entry
/// for another issuer's certificate, a scope of some reasons only.
#[derive(Clone)]
pub struct CertificateRevocationList(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    signed: Signed,
    fields: Fields,
}

/// What stands in the signed part.
struct Fields {
    issuer: Name,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    /// Where the entries stand, without the header around them.
    entries: Range<usize>,
    number: Option<CrlNumber>,
    base: Option<CrlNumber>,
    authority_key_identifier: Option<KeyIdentifier>,
    distribution_point: Option<IssuingDistributionPoint>,
}

const WHAT: &str = "revocation list";
const LABEL: &str = "X509 CRL";

impl CertificateRevocationList {
    /// Reads a list that fills the input, within `max_bytes`; each entry counts as one of `max_items`. Every entry is looked at once.
    ///
    /// # Errors
    /// [`Error::Malformed`]; [`Error::Refused`] for a list whose meaning is not the plain one.
    pub fn from_der(der: &[u8], limits: &Limits) -> Result<Self, Error> {
        let malformed = Error::malformed(WHAT);
        if der.len() > limits.max_bytes {
            return Err(malformed(Asn1Error::new(ErrorKind::TooLong(limits.max_bytes), 0)));
        }
        let frame = Frame::read(der).map_err(&malformed)?;
        frame.rest.finish().map_err(&malformed)?;
        let (fields, inside) = Fields::read(frame.part.reader(), limits)?;
        if inside != frame.algorithm.raw() {
            let error = Asn1Error::field("signatureAlgorithm (not the one inside)", frame.algorithm.at());
            return Err(malformed(error));
        }
        Ok(CertificateRevocationList(Arc::new(Inner { der: der.to_vec(), signed: frame.signed, fields })))
    }

    /// Reads the first list of a PEM text.
    ///
    /// # Errors
    /// [`Error::Pem`]; as [`CertificateRevocationList::from_der`].
    pub fn from_pem(text: impl AsRef<[u8]>, limits: &Limits) -> Result<Self, Error> {
        Self::from_der(&pem::decode(&[LABEL], text.as_ref())?, limits)
    }

    /// The DER as it was received.
    pub fn as_der(&self) -> &[u8] {
        &self.0.der
    }

    /// A PEM block with lines of 64 columns.
    pub fn to_pem(&self) -> String {
        pem::encode(LABEL, self.as_der())
    }

    /// Who signed it, by his own account.
    pub fn issuer(&self) -> &Name {
        &self.0.fields.issuer
    }

    /// When it was made.
    pub fn this_update(&self) -> Timestamp {
        self.0.fields.this_update
    }

    /// When the next one will be there at the latest.
    pub fn next_update(&self) -> Option<Timestamp> {
        self.0.fields.next_update
    }

    /// Its number; `None` when it has none, or one above 64 bits, which RFC 5280 section 5.2.3 allows up to 20 octets.
    pub fn number(&self) -> Option<CrlNumber> {
        self.0.fields.number
    }

    /// The number of the full list that this one continues; `None` when this is a full list.
    pub fn base(&self) -> Option<CrlNumber> {
        self.0.fields.base
    }

    /// The identifier of the key that signed.
    pub fn authority_key_identifier(&self) -> Option<&KeyIdentifier> {
        self.0.fields.authority_key_identifier.as_ref()
    }

    /// The part of the issuer's certificates that it covers; `None` for all.
    pub fn issuing_distribution_point(&self) -> Option<&IssuingDistributionPoint> {
        self.0.fields.distribution_point.as_ref()
    }

    /// The algorithm of the signature, when it is a known one.
    pub fn signature_algorithm(&self) -> Option<SignatureAlgorithm> {
        self.0.signed.algorithm
    }

    /// The entries in the order of the bytes.
    pub fn entries(&self) -> impl Iterator<Item = RevokedEntry> {
        let mut reader = self.entry_reader();
        // Each entry was checked when the list was read, so that an error cannot be but the end.
        std::iter::from_fn(move || RevokedEntry::read(&mut reader).ok().map(|(entry, _)| entry))
    }

    /// The entry of a certificate: of several, the last. Looks at every entry, so that who asks often keeps an index.
    pub fn find(&self, serial: &SerialNumber) -> Option<RevokedEntry> {
        self.entries().filter(|entry| entry.serial == *serial).last()
    }

    /// Checks that this key signed the list, over the bytes as they were received. Nothing else is checked.
    ///
    /// # Errors
    /// [`Error::Refused`] when the algorithm or the key is one that is not believed, [`Error::Crypto`] when the signature is not by
    /// the key.
    pub fn verify_signature(&self, issuer: &PublicKey, provider: &Provider, legacy: Legacy) -> Result<(), Error> {
        self.0.signed.verify(&self.0.der, issuer, provider, legacy)
    }

    fn entry_reader(&self) -> Reader<'_> {
        let range = self.0.fields.entries.clone();
        let at = range.start;
        Reader::starting_at(self.0.der.get(range).unwrap_or_default(), at)
    }
}

impl Fields {
    /// Reads the content of TBSCertList; with it goes the AlgorithmIdentifier inside.
    fn read<'a>(mut tbs: Reader<'a>, limits: &Limits) -> Result<(Self, &'a [u8]), Error> {
        let malformed = Error::malformed(WHAT);
        let (mut fields, algorithm, may_extend) = Self::read_plain(&mut tbs).map_err(&malformed)?;
        fields.entries = read_entries(&mut tbs, limits)?;
        if may_extend && let Some(extensions) = Extensions::read_tagged(&mut tbs, 0).map_err(&malformed)? {
            fields.take(&extensions)?;
        }
        tbs.finish().map_err(&malformed)?;
        Ok((fields, algorithm))
    }

    /// What stands before the entries. The last value says whether the version allows extensions.
    fn read_plain<'a>(tbs: &mut Reader<'a>) -> Result<(Self, &'a [u8], bool), Asn1Error> {
        let version_at = tbs.at();
        let second = tbs.peek() == Some(Tag::INTEGER);
        if second && tbs.small_integer()? != 1 {
            return Err(Asn1Error::field("version (neither 1 nor 2)", version_at));
        }
        let algorithm = tbs.tagged(Tag::SEQUENCE)?.raw();
        let issuer = Name::read(tbs)?;
        let this_update = tbs.time()?;
        let next_update =
            if matches!(tbs.peek(), Some(Tag::UTC_TIME | Tag::GENERALIZED_TIME)) { Some(tbs.time()?) } else { None };
        let fields = Fields {
            issuer,
            this_update,
            next_update,
            entries: 0..0,
            number: None,
            base: None,
            authority_key_identifier: None,
            distribution_point: None,
        };
        Ok((fields, algorithm, second))
    }

    fn take(&mut self, extensions: &Extensions<'_>) -> Result<(), Error> {
        for extension in extensions.iter() {
            match extension.oid() {
                CrlNumber::OID => self.number = read_list_number(&extension).map_err(Error::malformed(CrlNumber::NAME))?,
                DeltaCrlIndicator::OID => self.base = Some(extension.parse::<DeltaCrlIndicator>()?.0),
                IssuingDistributionPoint::OID => self.distribution_point = Some(extension.parse()?),
                AuthorityKeyIdentifier::OID => {
                    self.authority_key_identifier = extension.parse::<AuthorityKeyIdentifier>()?.0;
                }
                _ if extension.is_critical() => return Err(Refusal::CriticalExtension.into()),
                _ => {}
            }
        }
        Ok(())
    }
}

fn read_list_number(extension: &Extension<'_>) -> Result<Option<CrlNumber>, Asn1Error> {
    let mut value = extension.reader();
    let number = read_any_number(&mut value)?;
    value.finish().map(|()| number)
}

/// Looks at every entry and gives where they stand.
fn read_entries(tbs: &mut Reader<'_>, limits: &Limits) -> Result<Range<usize>, Error> {
    let list = tbs.optional_nested(Tag::SEQUENCE).map_err(Error::malformed(WHAT))?;
    let Some(mut entries) = list else { return Ok(0..0) };
    let range = entries.at()..entries.at().saturating_add(entries.rest().len());
    let mut count = 0_usize;
    while !entries.is_empty() {
        count = count.saturating_add(1);
        if count > limits.max_items {
            return Err(Error::malformed(WHAT)(Asn1Error::new(ErrorKind::TooMany(limits.max_items), entries.at())));
        }
        let (_, unknown_critical) = RevokedEntry::read(&mut entries).map_err(Error::malformed(ENTRY))?;
        if unknown_critical {
            return Err(Refusal::CriticalExtension.into());
        }
    }
    Ok(range)
}

impl PartialEq for CertificateRevocationList {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.der == other.0.der
    }
}

impl Eq for CertificateRevocationList {}

impl fmt::Debug for CertificateRevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateRevocationList")
            .field("issuer", self.issuer())
            .field("number", &self.number())
            .field("this_update", &self.this_update())
            .field("bytes", &self.0.der.len())
            .finish_non_exhaustive()
    }
}
