//! Challenges that are good for one transaction.

use serde::{Deserialize, Serialize};

use crate::crypto::{DigestAlgorithm, Provider};
use crate::hex;
use crate::id::Revision;
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
/// let (record, challenge) = OneTimeChallenge::issue(until, &provider)?;
/// // The challenge goes into the profile; the record is stored under its lookup key.
/// assert_eq!(record.lookup_key(), OneTimeChallenge::lookup_key_of(&challenge, &provider));
/// # }
/// # Ok::<(), mdm_core::scep::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTimeChallenge {
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

impl OneTimeChallenge {
    /// A fresh challenge of 128 random bits, 32 hexadecimal digits, good until this moment: the record to store, and the text to hand out.
    ///
    /// # Errors
    /// [`Error::Crypto`] when there is no randomness.
    pub fn issue(expires: Timestamp, provider: &Provider) -> Result<(Self, Secret), Error> {
        let challenge = Secret::from(hex::encode(provider.random_bytes::<16>()?));
        let digest = Self::lookup_key_of(&challenge, provider);
        Ok((OneTimeChallenge { digest, expires, state: State::Unused, revision: Revision::FIRST }, challenge))
    }

    /// Under what the host stores the record.
    pub fn lookup_key(&self) -> &str {
        &self.digest
    }

    /// Under what the record of a presented challenge is found.
    pub fn lookup_key_of(challenge: &Secret, provider: &Provider) -> String {
        hex::encode(provider.digest(DigestAlgorithm::Sha256, challenge.expose()).as_ref())
    }

    /// How often the record has changed.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// From when on the challenge is no longer good.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The record with the challenge reserved for this transaction, to be stored before anything is issued. The same transaction may reserve
    /// again: a device repeats its request when the answer is lost.
    ///
    /// # Errors
    /// [`Error::Challenge`] when it has expired, or is another transaction's, or spent.
    pub fn reserve(&self, transaction: &Transaction, now: Timestamp) -> Result<Self, Error> {
        match &self.state {
            State::Reserved(holder) if holder == transaction => Ok(self.clone()),
            State::Unused if now < self.expires => Ok(self.changed(State::Reserved(transaction.clone()))),
            State::Unused | State::Reserved(_) | State::Spent(_) => Err(Error::Challenge),
        }
    }

    /// The record with the challenge spent, to be stored together with the certificate.
    ///
    /// # Errors
    /// [`Error::Misuse`] when it is not reserved for this transaction.
    pub fn spend(&self, transaction: &Transaction) -> Result<Self, Error> {
        self.held_by(transaction)?;
        Ok(self.changed(State::Spent(transaction.clone())))
    }

    /// The record with the challenge unused again, to be stored when nothing was issued.
    ///
    /// # Errors
    /// [`Error::Misuse`] when it is not reserved for this transaction.
    pub fn give_back(&self, transaction: &Transaction) -> Result<Self, Error> {
        self.held_by(transaction)?;
        Ok(self.changed(State::Unused))
    }

    fn held_by(&self, transaction: &Transaction) -> Result<(), Error> {
        match &self.state {
            State::Reserved(holder) if holder == transaction => Ok(()),
            _ => Err(Error::Misuse("the challenge is not reserved for this transaction")),
        }
    }

    fn changed(&self, state: State) -> Self {
        OneTimeChallenge { digest: self.digest.clone(), expires: self.expires, state, revision: self.revision.next() }
    }

    pub(super) fn is_reserved_for(&self, presented: &Secret, transaction: &Transaction, provider: &Provider) -> bool {
        // Digests of secrets are compared: what the comparison's time tells of them says nothing about the secret.
        matches!(&self.state, State::Reserved(holder) if holder == transaction)
            && self.digest == Self::lookup_key_of(presented, provider)
    }
}
