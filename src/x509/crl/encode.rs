//! Making a revocation list from entries that come one by one.

use std::sync::Arc;

use super::{
    CertificateRevocationList, CrlNumber, DeltaCrlIndicator, Fields, Inner, IssuingDistributionPoint, RevocationReason,
    RevokedEntry,
};
use crate::asn1::{Tag, Writer};
use crate::crypto::{Provider, PublicKey, SignatureAlgorithm, ToBeSigned};
use crate::time::Timestamp;
use crate::x509::extension::{AuthorityKeyIdentifier, Extensions, FreshestCrl, KeyIdentifier};
use crate::x509::signature::{Signed, check_signer};
use crate::x509::{Error, Name};

/// A revocation list to be made (RFC 5280 section 5.1), of version 2: what it says besides its entries.
///
/// ```
/// # #[cfg(feature = "rustcrypto")] {
/// # use mdm_core::crypto::{Error as CryptoError, KeyKind, Provider, Random, SigningKey};
/// # struct Os;
/// # impl Random for Os {
/// #     fn fill(&self, dest: &mut [u8]) -> Result<(), CryptoError> {
/// #         getrandom::fill(dest).map_err(|_| CryptoError::Random)
/// #     }
/// # }
/// # let provider = Provider::rustcrypto(&Os);
/// # let key = provider.load(&provider.generate(KeyKind::P256)?)?;
/// # let (authority_name, now) = (mdm_core::x509::Name::builder().common_name("Authority").build()?, "2026-02-28T12:00:00Z".parse::<mdm_core::time::Timestamp>()?);
/// use mdm_core::x509::{CrlNumber, CrlTemplate, KeyIdentifier, RevocationReason, RevokedEntry, SerialNumber};
///
/// let template = CrlTemplate {
///     issuer: authority_name,
///     this_update: now,
///     next_update: now.plus_days(7),
///     number: CrlNumber::new(12),
///     base: None,
///     authority_key_identifier: KeyIdentifier::of(key.public_key(), &provider),
///     distribution_point: None,
///     freshest: vec![],
/// };
/// let lost = SerialNumber::from_bytes(&[0x42])?;
/// let rows = [RevokedEntry::new(lost, now.plus_days(-1)).because(RevocationReason::KeyCompromise)];
/// let crl = template.to_be_signed(rows, key.public_key(), key.algorithm(), &provider)?.sign_with(&key)?;
/// assert_eq!(crl.find(&lost).map(|entry| entry.reason), Some(RevocationReason::KeyCompromise));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a host spells the whole template, as it would the list")]
pub struct CrlTemplate {
    /// The name of the authority: a copy of the subject of its certificate, byte for byte.
    pub issuer: Name,
    /// When the list is made.
    pub this_update: Timestamp,
    /// When the next one will be there at the latest.
    pub next_update: Timestamp,
    /// Its number, higher than that of any list before.
    pub number: CrlNumber,
    /// For a delta list, the number of the full list that it continues.
    pub base: Option<CrlNumber>,
    /// The identifier of the authority's key: that in the authority's certificate.
    pub authority_key_identifier: KeyIdentifier,
    /// For a part of the authority's certificates, which part.
    pub distribution_point: Option<IssuingDistributionPoint>,
    /// For a full list that delta lists continue, where those are.
    pub freshest: Vec<String>,
}

/// The buffer doubles up to this size; then it grows by as much, or by a fraction of itself when that is more.
const STEP: usize = 4 << 20;
const FRACTION: usize = 8;
/// What one entry takes at the most: a serial number of 64 octets, two times, a reason.
const LARGEST_ENTRY: usize = 160;
/// What stands around everything, and the signature of an RSA key of 8192 bits.
const BEHIND: usize = 2048;
/// Tag and length of anything.
const HEADER: usize = 6;

impl CrlTemplate {
    /// The list with these entries, lacking its signature.
    ///
    /// # Errors
    /// As [`CrlTemplate::encoder`] and [`CrlEncoder::push`].
    pub fn to_be_signed(
        &self,
        entries: impl IntoIterator<Item = RevokedEntry>,
        issuer_key: &PublicKey,
        algorithm: SignatureAlgorithm,
        provider: &Provider,
    ) -> Result<ToBeSigned<CertificateRevocationList>, Error> {
        let mut encoder = self.encoder(issuer_key, algorithm)?;
        entries.into_iter().try_for_each(|entry| encoder.push(&entry))?;
        Ok(encoder.finish(provider))
    }

    /// Begins the list; its entries follow one by one, as a database gives them.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a key that does not make such signatures, an update that does not come after this one, a base that is
    /// not below the number, a part that says nothing, a delta list that names another.
    pub fn encoder(&self, issuer_key: &PublicKey, algorithm: SignatureAlgorithm) -> Result<CrlEncoder, Error> {
        self.check(issuer_key, algorithm)?;
        let head = self.head(algorithm);
        let room = head.len().saturating_add(HEADER).saturating_add(HEADER);
        Ok(CrlEncoder { template: self.clone(), key: issuer_key.clone(), algorithm, head, buffer: vec![0; room], room })
    }

    /// Whether such a list may be made.
    pub(super) fn check(&self, issuer_key: &PublicKey, algorithm: SignatureAlgorithm) -> Result<(), Error> {
        check_signer(issuer_key, algorithm)?;
        if self.issuer.is_empty() {
            return Err(Error::Misuse("the issuer of a revocation list needs a name"));
        }
        if self.next_update <= self.this_update {
            return Err(Error::Misuse("the next update must come after this one"));
        }
        if self.base.is_some_and(|base| base >= self.number) {
            return Err(Error::Misuse("a delta list continues a full list of a lower number"));
        }
        if self.distribution_point.as_ref().is_some_and(IssuingDistributionPoint::is_empty) {
            return Err(Error::Misuse("a distribution point without content must be left out"));
        }
        if self.base.is_some() && !self.freshest.is_empty() {
            return Err(Error::Misuse("freshestCRL stands in full lists only"));
        }
        Ok(())
    }

    /// Whether the entry may stand on this list.
    pub(super) fn check_entry(&self, entry: &RevokedEntry) -> Result<(), Error> {
        if entry.reason == RevocationReason::RemoveFromCrl && self.base.is_none() {
            return Err(Error::Misuse("removeFromCRL stands in delta lists only"));
        }
        Ok(())
    }

    /// What stands before the entries, from the version to the next update.
    pub(super) fn head(&self, algorithm: SignatureAlgorithm) -> Vec<u8> {
        Writer::build(|w| {
            w.small_integer(1);
            algorithm.write(w);
            w.raw(self.issuer.as_der());
            w.time(self.this_update);
            w.time(self.next_update);
        })
    }

    /// What stands behind the entries: crlExtensions in their tag.
    pub(super) fn behind(&self) -> Vec<u8> {
        Writer::build(|w| w.nested(Tag::context_constructed(0), |w| self.extensions().write(w)))
    }

    /// crlExtensions, RFC 5280 section 5.2.
    fn extensions(&self) -> Extensions<'static> {
        let mut extensions =
            Extensions::new().with(&AuthorityKeyIdentifier(Some(self.authority_key_identifier.clone()))).with(&self.number);
        if let Some(base) = self.base {
            extensions = extensions.with(&DeltaCrlIndicator(base));
        }
        if let Some(point) = &self.distribution_point {
            extensions = extensions.with(point);
        }
        if !self.freshest.is_empty() {
            extensions = extensions.with(&FreshestCrl { uris: self.freshest.clone() });
        }
        extensions
    }
}

/// What stands before entries of this length: no list at all when there are none (RFC 5280 section 5.1.2.6).
pub(super) fn front(head: &[u8], entries: usize, behind: usize) -> Vec<u8> {
    let list = if entries == 0 { Vec::new() } else { Writer::build(|w| w.header(Tag::SEQUENCE, entries)) };
    let content = head.len().saturating_add(list.len()).saturating_add(entries).saturating_add(behind);
    [Writer::build(|w| w.header(Tag::SEQUENCE, content)).as_slice(), head, &list].concat()
}

/// A revocation list that is being made.
///
/// The entries are written one behind the other into the one buffer that becomes the list; there is no second copy of them, and the
/// buffer grows by an eighth of itself. What stands before the entries is put there at the end, when their length is known.
#[derive(Debug)]
#[must_use = "nothing is made until finish is called"]
pub struct CrlEncoder {
    template: CrlTemplate,
    key: PublicKey,
    algorithm: SignatureAlgorithm,
    /// From the version to the next update.
    head: Vec<u8>,
    /// Room for what stands before the entries, and the entries.
    buffer: Vec<u8>,
    /// How much room.
    room: usize,
}

impl CrlEncoder {
    /// Takes the next entry. Each serial number should come once; the order is the caller's.
    ///
    /// # Errors
    /// [`Error::Misuse`] for [`RevocationReason::RemoveFromCrl`] in a full list.
    pub fn push(&mut self, entry: &RevokedEntry) -> Result<(), Error> {
        self.template.check_entry(entry)?;
        self.reserve(LARGEST_ENTRY);
        let mut writer = Writer::continuing(std::mem::take(&mut self.buffer));
        entry.write(&mut writer);
        self.buffer = writer.into_bytes();
        Ok(())
    }

    /// The list, lacking the signature of the authority's key.
    pub fn finish(mut self, provider: &Provider) -> ToBeSigned<CertificateRevocationList> {
        let entries = self.buffer.len().saturating_sub(self.room);
        let behind = self.template.behind();
        self.reserve(behind.len().saturating_add(BEHIND));
        self.buffer.extend_from_slice(&behind);
        let front = front(&self.head, entries, behind.len());
        // The front ends where the entries begin; room that it does not need goes.
        self.buffer.splice(..self.room, front.iter().copied());

        let CrlTemplate {
            issuer, this_update, next_update, number, base, authority_key_identifier, distribution_point, ..
        } = self.template;
        let entries = front.len()..front.len().saturating_add(entries);
        let algorithm = self.algorithm;
        ToBeSigned::consuming(algorithm, self.key, self.buffer, provider, move |tbs, signature| {
            let (der, signed) = Signed::enclose(tbs, algorithm, signature);
            let start = signed.part.start;
            let fields = Fields {
                issuer,
                this_update,
                next_update: Some(next_update),
                entries: entries.start.saturating_add(start)..entries.end.saturating_add(start),
                number: Some(number),
                base,
                authority_key_identifier: Some(authority_key_identifier),
                distribution_point,
            };
            CertificateRevocationList(Arc::new(Inner { der, signed, fields }))
        })
    }

    /// Makes room for so many bytes more, in steps that keep both the copying and the waste small.
    fn reserve(&mut self, bytes: usize) {
        if self.buffer.capacity().saturating_sub(self.buffer.len()) < bytes {
            let length = self.buffer.len();
            self.buffer.reserve_exact(bytes.max(length.min(STEP)).max(length / FRACTION));
        }
    }
}
