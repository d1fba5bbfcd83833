//! Making a revocation list that is never whole in memory.

use std::fmt;

use super::encode::front;
use super::{CrlNumber, CrlTemplate, RevokedEntry};
use crate::asn1::{Tag, Writer};
use crate::crypto::{Digest, DigestContext, Error as CryptoError, Provider, PublicKey, SignatureAlgorithm, SigningKey};
use crate::x509::Error;

/// The first pass over the entries of a list that is written piece by piece: how long they are. A DER encoding says that before
/// them, so whoever will not keep them reads them twice.
///
/// ```text
///   CrlTemplate::measure ─► CrlMeasure ── push … ─► writer(sink) ─► CrlWriter ── push … ─► finish ─► UnsignedCrl
///                          (first pass)                            (second pass)                       │ sign_with(&key), or
///                                                                                                      ▼ digest() ─► HSM ─► complete
///                                                    the list: frame.head ‖ what the sink got ‖ frame.tail
/// ```
///
/// ```
/// use mdm_core::crypto::{Provider, SigningKey};
/// use mdm_core::x509::{CrlTemplate, Error, RevokedEntry};
///
/// /// The host's index is read twice; what is kept of the list is 64 KiB at a time.
/// fn write(
///     template: &CrlTemplate,
///     index: &[RevokedEntry],
///     key: &dyn SigningKey,
///     provider: &Provider,
///     mut file: impl FnMut(&[u8]) -> Result<(), Error>,
/// ) -> Result<(Vec<u8>, Vec<u8>), Error> {
///     let mut measure = template.measure(key.public_key(), key.algorithm())?;
///     index.iter().try_for_each(|entry| measure.push(entry))?;
///     let mut writer = measure.writer(provider);
///     for entry in index {
///         writer.push(entry)?;
///         if let Some(piece) = writer.piece() {
///             file(piece)?;
///             writer.written();
///         }
///     }
///     let unsigned = writer.finish()?;
///     file(unsigned.last_piece())?;
///     let frame = unsigned.sign_with(key)?;
///     Ok((frame.head, frame.tail))
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is written until the writer is"]
pub struct CrlMeasure {
    template: CrlTemplate,
    key: PublicKey,
    algorithm: SignatureAlgorithm,
    head: Vec<u8>,
    entries: usize,
}

/// How much is gathered before it is handed on.
const PIECE: usize = 64 << 10;

impl CrlTemplate {
    /// Begins a list that is written piece by piece; [`CrlTemplate::encoder`] is for lists that fit into memory.
    ///
    /// # Errors
    /// As [`CrlTemplate::encoder`].
    pub fn measure(&self, issuer_key: &PublicKey, algorithm: SignatureAlgorithm) -> Result<CrlMeasure, Error> {
        self.check(issuer_key, algorithm)?;
        let head = self.head(algorithm);
        Ok(CrlMeasure { template: self.clone(), key: issuer_key.clone(), algorithm, head, entries: 0 })
    }
}

impl CrlMeasure {
    /// Takes the next entry.
    ///
    /// # Errors
    /// As [`CrlEncoder::push`](super::CrlEncoder::push).
    pub fn push(&mut self, entry: &RevokedEntry) -> Result<(), Error> {
        self.template.check_entry(entry)?;
        self.entries = self.entries.saturating_add(entry.encoded_len());
        Ok(())
    }

    /// Goes over to the second pass: the same entries again, in the same order.
    pub fn writer(self, provider: &Provider) -> CrlWriter {
        let behind = self.template.behind();
        let mut piece = Vec::with_capacity(PIECE.saturating_add(4096));
        piece.extend_from_slice(&front(&self.head, self.entries, behind.len()));
        let hash = provider.digests.start(self.algorithm.digest());
        CrlWriter { left: self.entries, measure: self, behind, piece, hash, provider: *provider, length: 0 }
    }
}

/// The second pass. What has been gathered is handed on by the host, whenever there is a [`piece`](CrlWriter::piece).
#[must_use = "nothing is made until finish is called"]
pub struct CrlWriter {
    measure: CrlMeasure,
    behind: Vec<u8>,
    piece: Vec<u8>,
    hash: Box<dyn DigestContext>,
    provider: Provider,
    /// Octets of entries still to come.
    left: usize,
    /// Octets that were handed on.
    length: usize,
}

impl fmt::Debug for CrlWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrlWriter").field("written", &self.length).field("left", &self.left).finish_non_exhaustive()
    }
}

const OTHER_ENTRIES: Error = Error::Misuse("the entries are not those that were measured; read both from one snapshot");

impl CrlWriter {
    /// Takes the next entry.
    ///
    /// # Errors
    /// [`Error::Misuse`] when there are more entries than were measured, or longer ones; as [`CrlMeasure::push`].
    pub fn push(&mut self, entry: &RevokedEntry) -> Result<(), Error> {
        self.measure.template.check_entry(entry)?;
        self.left = self.left.checked_sub(entry.encoded_len()).ok_or(OTHER_ENTRIES)?;
        let mut writer = Writer::continuing(std::mem::take(&mut self.piece));
        entry.write(&mut writer);
        self.piece = writer.into_bytes();
        Ok(())
    }

    /// What is to be handed on, once there is enough of it: then [`written`](CrlWriter::written) makes room. A host that does not
    /// ask gets everything as the last piece.
    pub fn piece(&self) -> Option<&[u8]> {
        (self.piece.len() >= PIECE).then_some(self.piece.as_slice())
    }

    /// The piece was handed on.
    pub fn written(&mut self) {
        self.hash.update(&self.piece);
        self.length = self.length.saturating_add(self.piece.len());
        self.piece.clear();
    }

    /// Ends the list; it lacks its signature.
    ///
    /// # Errors
    /// [`Error::Misuse`] when there were fewer entries than were measured.
    pub fn finish(mut self) -> Result<UnsignedCrl, Error> {
        if self.left > 0 {
            return Err(OTHER_ENTRIES);
        }
        self.piece.extend_from_slice(&self.behind);
        self.hash.update(&self.piece);
        let length = self.length.saturating_add(self.piece.len());
        let CrlMeasure { template, key, algorithm, .. } = self.measure;
        let digest = self.hash.finish();
        Ok(UnsignedCrl { number: template.number, key, algorithm, digest, last: self.piece, length, provider: self.provider })
    }
}

/// A list that was written, and lacks its signature.
#[derive(Debug)]
#[must_use = "nothing is signed until sign_with or complete is called"]
pub struct UnsignedCrl {
    number: CrlNumber,
    key: PublicKey,
    algorithm: SignatureAlgorithm,
    digest: Digest,
    last: Vec<u8>,
    length: usize,
    provider: Provider,
}

/// What stands around a list that was written piece by piece.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrlFrame {
    /// The list's number.
    pub number: CrlNumber,
    /// What stands before the first piece: six octets at the most.
    pub head: Vec<u8>,
    /// What stands behind the last piece: the signature.
    pub tail: Vec<u8>,
}

impl UnsignedCrl {
    /// What is still to be handed on.
    pub fn last_piece(&self) -> &[u8] {
        &self.last
    }

    /// The algorithm to sign with.
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The public half of the key that must sign.
    pub const fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// What is to be signed: the digest of all pieces.
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Attaches a signature that was made elsewhere, after verifying it.
    ///
    /// # Errors
    /// [`Error::Crypto`] when the signature is not by [`public_key`](UnsignedCrl::public_key), or the provider verifies no digests.
    pub fn complete(self, signature: &[u8]) -> Result<CrlFrame, Error> {
        self.provider.verifier.verify_digest(self.algorithm, &self.key, &self.digest, signature)?;
        Ok(self.frame(signature))
    }

    /// Signs with a key at hand.
    ///
    /// # Errors
    /// [`Error::Crypto`] when it is another key than the one that must sign, or it signs no digests.
    pub fn sign_with(self, key: &dyn SigningKey) -> Result<CrlFrame, Error> {
        if *key.public_key() != self.key {
            return Err(CryptoError::Key.into());
        }
        let signature = key.sign_digest(self.algorithm, &self.digest)?;
        if key.checks_itself() { Ok(self.frame(&signature)) } else { self.complete(&signature) }
    }

    fn frame(&self, signature: &[u8]) -> CrlFrame {
        let tail = Writer::build_with_capacity(signature.len().saturating_add(32), |w| {
            self.algorithm.write(w);
            w.bit_string(signature);
        });
        let head = Writer::build(|w| w.header(Tag::SEQUENCE, self.length.saturating_add(tail.len())));
        CrlFrame { number: self.number, head, tail }
    }
}
