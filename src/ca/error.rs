//! Why the authority did not do what it was asked.

use super::{GenerationId, Move, RequestState, State};
use crate::crypto;
use crate::keystore;
use crate::record::ReplayError;
use crate::time::Timestamp;
use crate::x509::{self, SerialNumber};

/// Why a decision was not made. Nothing has happened then: the record is as it was, no number is spent, nothing is signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The requester asked for what it may not have. Answer it so (`badRequest` over SCEP).
    #[error("the request is refused: {0}")]
    Refused(#[from] Refusal),
    /// What the certificate's state does not allow.
    #[error("a certificate that is {from} cannot be {attempted}")]
    Move {
        /// The state it is in.
        from: State,
        /// What was asked for.
        attempted: Move,
    },
    /// The request was decided on before, in another way.
    #[error("the request is {0}")]
    Request(RequestState),
    /// The host's clock reads earlier than the latest moment on record, by more than the tolerance in
    /// [`Settings`](super::Settings). Set the clock, or, when the record is what is wrong, [`Authority::trust_clock`](super::Authority::trust_clock).
    #[error("the clock reads {now}, which is before {latest}, the latest moment on record")]
    ClockBackwards {
        /// What the host said.
        now: Timestamp,
        /// The latest moment on record.
        latest: Timestamp,
    },
    /// The authority's own certificate is past its end; whatever it issued now would be believed by nobody. Renew it.
    #[error("the authority's certificate expired at {0}; renew the authority first")]
    AuthorityExpired(Timestamp),
    /// The authority's first certificate is not signed yet.
    #[error("the authority's own certificate is not signed yet; carry out Effect::SignAuthority first")]
    NoCertificate,
    /// The authority has no such generation.
    #[error("the authority has no generation {0}")]
    NoGeneration(GenerationId),
    /// The authority has none of the keys that this needs.
    #[error("the authority does not know this key")]
    UnknownKey,
    /// The authority's certificate does not allow it to sign revocation lists (no cRLSign in its key usage).
    #[error("the authority's certificate does not allow it to sign revocation lists")]
    MayNotSignCrls,
    /// No full list was issued yet in this scope that a delta list could continue: plan and issue one.
    #[error("there is no full revocation list that a delta list could continue; issue one first")]
    NoBaseCrl,
    /// The certificate of the OCSP responder has ended; renew it with
    /// [`renew_service`](super::Authority::renew_service).
    #[error("the OCSP responder's certificate expired at {0}; renew it")]
    ResponderExpired(Timestamp),
    /// No number was spent for this list, or another one since: plan a new list.
    #[error("this list was not planned, or another was planned after it; plan a new one")]
    CrlNotPlanned,
    /// A signature of the authority itself is outstanding; it comes first.
    #[error("a signature of the authority itself is outstanding; carry out Effect::SignAuthority first")]
    SignatureOutstanding,
    /// The authority is being renewed: have what is planned signed, or give it up with
    /// [`renewal_failed`](super::Authority::renewal_failed).
    #[error("a renewal to generation {0} is under way")]
    RenewalRunning(GenerationId),
    /// The authority's last renewal failed. Look for the cause, then
    /// [`acknowledge_renewal`](super::Authority::acknowledge_renewal).
    #[error("the renewal to generation {0} failed; acknowledge that before renewing again")]
    RenewalLocked(GenerationId),
    /// The record that was given belongs to another authority, or the request to another tenant than its record.
    #[error("the record belongs to another {0}")]
    Foreign(&'static str),
    /// A stored record and its events do not belong together.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The host asked for what cannot be; the text says what to change.
    #[error("cannot be done: {0}")]
    Misuse(&'static str),
    /// The key store is no backup of an authority.
    #[error("not the backup of an authority: {0}")]
    NotABackup(&'static str),
    /// A backup could not be opened or written.
    #[error(transparent)]
    Keystore(#[from] keystore::Error),
    /// A certificate or list could not be made or read.
    #[error(transparent)]
    X509(#[from] x509::Error),
    /// A primitive failed, or there was no randomness.
    #[error(transparent)]
    Crypto(#[from] crypto::Error),
}

/// What the authority has against a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A key that the profile does not take.
    #[error("{0}")]
    Key(x509::Refusal),
    /// The key is one of the authority's own.
    #[error("the key is the authority's own")]
    AuthorityKey,
    /// The request wants a certificate that issues certificates (CA:TRUE, keyCertSign or cRLSign).
    #[error("the request asks for a certificate authority's certificate")]
    WantsAuthority,
    /// The subject is empty and no name would be left in the certificate.
    #[error("the request names nobody")]
    NoName,
    /// The subject is the authority's own.
    #[error("the request bears the authority's own name")]
    AuthorityName,
    /// A subject or an alternative name that the profile does not allow.
    #[error("the request asks for a name that the profile does not allow")]
    NameNotAllowed,
    /// The subject, or the list of alternative names, is longer than any that is used.
    #[error("the names of the request are too long")]
    NamesTooLong,
    /// An extension of the request cannot be read.
    #[error("an extension of the request cannot be read: {0}")]
    Extension(x509::Error),
    /// The transaction identifier is empty or longer than 255 bytes.
    #[error("the transaction identifier is empty or too long")]
    Transaction,
    /// The transaction was begun with another key. Whoever owns that key owns the transaction.
    #[error("the transaction belongs to another key")]
    TransactionTaken,
    /// The transaction led to a certificate that is revoked or on hold since; a repeated request must not undo that.
    #[error("the transaction's certificate {0} is revoked or on hold")]
    Revoked(SerialNumber),
    /// The certificate would have to outlive the authority's own, and the profile refuses that.
    #[error("the certificate would outlive the authority's, which ends at {0}")]
    OutlivesAuthority(Timestamp),
}
