//! Challenges that are good for one transaction.

use serde::{Deserialize, Serialize};

use crate::crypto::{DigestAlgorithm, Provider};
use crate::hex;
use crate::id::Revision;
use crate::record::stored::Format;
use crate::record::{Change, NoEffect, Record, ReplayError};
use crate::scep::{Error, Transaction};
use crate::secret::Secret;
use crate::time::Timestamp;

/// The record of one challenge. It holds a digest, so that who reads the host's database learns no challenge.
///
/// ```text
/// issue ─► unused ── reserve ─► reserved ── spend ─► spent
///            ▲                     │
///            └───── give_back ─────┘
/// ```
///
/// A challenge is reserved before the certificate is made and spent behind it, so that a failure in between costs the device nothing, and
/// two requests at once cannot both have it: of two changes of one revision, the host's database takes one. A reservation stands until the
/// host gives it back, also when the time is over meanwhile.
///
/// ```
/// # #[cfg(feature = "rustcrypto")] {
/// # use mdm_core::crypto::{Error as CryptoError, Provider, Random};
/// # struct Os;
/// # impl Random for Os {
/// #     fn fill(&self, dest: &mut [u8]) -> Result<(), CryptoError> {
/// #         getrandom::fill(dest).map_err(|_| CryptoError::Random)
/// #     }
/// # }
/// use mdm_core::scep::OneTimeChallenge;
/// use mdm_core::time::Timestamp;
///
/// let provider = Provider::rustcrypto(&Os);
/// let until = Timestamp::from_unix(1_800_000_000);
/// let (issued, challenge) = OneTimeChallenge::issue(until, &provider)?;
/// // The challenge goes into the profile; the record is stored under its lookup key.
/// assert_eq!(issued.record.lookup_key(), OneTimeChallenge::lookup_key_of(&challenge, &provider));
/// # }
/// # Ok::<(), mdm_core::scep::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTimeChallenge {
    format: Format,
    /// SHA-256 of the challenge, in hexadecimal.
    digest: String,
    expires: Timestamp,
    state: State,
    revision: Revision,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Unused,
    Reserved(Transaction),
    Spent(Transaction),
}

/// Something that happened to a challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTimeChallengeEvent {
    /// Which challenge: its [lookup key](OneTimeChallenge::lookup_key).
    pub challenge: String,
    /// The revision that the event leads to, 1 for the first.
    pub revision: Revision,
    /// What.
    pub kind: OneTimeChallengeEventKind,
}

/// What happened to a challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OneTimeChallengeEventKind {
    /// It was made. The first event.
    Issued {
        /// From when on it is no longer good.
        expires: Timestamp,
    },
    /// A request presented it.
    Reserved(Transaction),
    /// A certificate was issued for it.
    Spent,
    /// No certificate was issued: it is unused again.
    GivenBack,
}

impl Record for OneTimeChallenge {
    type Event = OneTimeChallengeEvent;
    type Effect = NoEffect;

    fn revision(&self) -> Revision {
        self.revision
    }

    fn begin(first: &OneTimeChallengeEvent) -> Result<Self, ReplayError> {
        match first.kind {
            OneTimeChallengeEventKind::Issued { expires } if first.revision == Revision::FIRST => {
                Ok(Self::unused(first.challenge.clone(), expires))
            }
            _ => Err(ReplayError::NotThisRecord("no challenge begins with this event")),
        }
    }

    fn apply(&mut self, event: &OneTimeChallengeEvent) -> Result<(), ReplayError> {
        if event.challenge != self.digest {
            return Err(ReplayError::NotThisRecord("another challenge"));
        }
        if event.revision != self.revision.next() {
            return Err(ReplayError::OutOfOrder { at: self.revision, found: event.revision });
        }
        let next = self.after(&event.kind);
        self.state = next.ok_or(ReplayError::NotThisRecord("it cannot happen to a challenge in this state"))?;
        self.revision = event.revision;
        Ok(())
    }
}

impl OneTimeChallenge {
    /// A new challenge of 32 hexadecimal digits, and its record.
    ///
    /// # Errors
    /// [`Error::Crypto`] when there is no randomness.
    pub fn issue(expires: Timestamp, provider: &Provider) -> Result<(Change<Self>, Secret), Error> {
        let challenge = Secret::from(hex::encode(provider.random_bytes::<16>()?));
        Ok((Self::adopt(&challenge, expires, provider), challenge))
    }

    /// The record of a challenge that somebody else made, such as the server behind a proxy ([`ndes`](super::ndes),
    /// [`jamf`](super::jamf)), and that is to be good here for one transaction too.
    pub fn adopt(challenge: &Secret, expires: Timestamp, provider: &Provider) -> Change<Self> {
        let digest = Self::lookup_key_of(challenge, provider);
        let record = Self::unused(digest.clone(), expires);
        let kind = OneTimeChallengeEventKind::Issued { expires };
        Change::one(record, OneTimeChallengeEvent { challenge: digest, revision: Revision::FIRST, kind }, Vec::new())
    }

    const fn unused(digest: String, expires: Timestamp) -> Self {
        OneTimeChallenge { format: Format, digest, expires, state: State::Unused, revision: Revision::FIRST }
    }

    /// Under what the host stores the record.
    pub fn lookup_key(&self) -> &str {
        &self.digest
    }

    /// Under what the record of a presented challenge is found.
    pub fn lookup_key_of(challenge: &Secret, provider: &Provider) -> String {
        hex::encode(provider.digest(DigestAlgorithm::Sha256, challenge.expose()).as_ref())
    }

    /// From when on the challenge is no longer good.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The record with the challenge reserved for this transaction, to be stored before anything is issued. The same transaction may reserve
    /// again, which changes nothing: a device repeats its request when the answer is lost.
    ///
    /// # Errors
    /// [`Error::Challenge`] when it has expired, or is another transaction's, or spent.
    pub fn reserve(&self, transaction: &Transaction, now: Timestamp) -> Result<Change<Self>, Error> {
        match &self.state {
            State::Reserved(holder) if holder == transaction => Ok(Change::none(self.clone())),
            State::Unused if now < self.expires => self.then(OneTimeChallengeEventKind::Reserved(transaction.clone())),
            State::Unused | State::Reserved(_) | State::Spent(_) => Err(Error::Challenge),
        }
    }

    /// The record with the challenge spent, to be stored together with the certificate.
    ///
    /// # Errors
    /// [`Error::Misuse`] when it is not reserved for this transaction.
    pub fn spend(&self, transaction: &Transaction) -> Result<Change<Self>, Error> {
        self.held_by(transaction)?;
        self.then(OneTimeChallengeEventKind::Spent)
    }

    /// The record with the challenge unused again, to be stored when nothing was issued.
    ///
    /// # Errors
    /// [`Error::Misuse`] when it is not reserved for this transaction.
    pub fn give_back(&self, transaction: &Transaction) -> Result<Change<Self>, Error> {
        self.held_by(transaction)?;
        self.then(OneTimeChallengeEventKind::GivenBack)
    }

    /// Whether this transaction has spent it. The challenge proves nothing any more, but its holder asks again when the answer was lost:
    /// a host answers with the certificate that it has for the transaction, and issues none.
    pub fn is_spent_by(&self, transaction: &Transaction) -> bool {
        matches!(&self.state, State::Spent(holder) if holder == transaction)
    }

    fn held_by(&self, transaction: &Transaction) -> Result<(), Error> {
        match &self.state {
            State::Reserved(holder) if holder == transaction => Ok(()),
            _ => Err(Error::Misuse("the challenge is not reserved for this transaction")),
        }
    }

    fn after(&self, kind: &OneTimeChallengeEventKind) -> Option<State> {
        match (&self.state, kind) {
            (State::Unused, OneTimeChallengeEventKind::Reserved(transaction)) => Some(State::Reserved(transaction.clone())),
            (State::Reserved(transaction), OneTimeChallengeEventKind::Spent) => Some(State::Spent(transaction.clone())),
            (State::Reserved(_), OneTimeChallengeEventKind::GivenBack) => Some(State::Unused),
            _ => None,
        }
    }

    fn then(&self, kind: OneTimeChallengeEventKind) -> Result<Change<Self>, Error> {
        let state = self.after(&kind).ok_or(Error::Misuse("the challenge is in another state"))?;
        let revision = self.revision.next();
        let record = OneTimeChallenge { state, revision, ..self.clone() };
        let event = OneTimeChallengeEvent { challenge: self.digest.clone(), revision, kind };
        Ok(Change::one(record, event, Vec::new()))
    }

    pub(super) fn is_reserved_for(&self, presented: &Secret, transaction: &Transaction, provider: &Provider) -> bool {
        // Digests of secrets are compared: what the comparison's time tells of them says nothing about the secret.
        matches!(&self.state, State::Reserved(holder) if holder == transaction)
            && self.digest == Self::lookup_key_of(presented, provider)
    }
}
