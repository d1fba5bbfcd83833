//! Challenges that need no storage: made for one device or subject, until one moment.

use crate::crypto::{DigestAlgorithm, Provider};
use crate::hex;
use crate::scep::Error;
use crate::secret::Secret;
use crate::time::Timestamp;

/// The host's key for [`BoundChallenge`]s: at least 16 octets, the same on every node.
#[derive(Clone, Debug)]
pub struct ChallengeKey(Secret);

/// Octets of the authenticator that a challenge carries.
const MAC_LEN: usize = 16;

impl ChallengeKey {
    /// Takes the key over.
    ///
    /// # Errors
    /// [`Error::Misuse`] when it is shorter than 16 octets.
    pub fn new(key: Secret) -> Result<Self, Error> {
        if key.len() < MAC_LEN { Err(Error::Misuse("a challenge key has at least 16 octets")) } else { Ok(ChallengeKey(key)) }
    }

    /// A challenge for `binding` that is good until this moment: 49 characters, digits, letters and one `-`.
    pub fn issue(&self, binding: &str, expires: Timestamp, provider: &Provider) -> Secret {
        let seconds = expires.unix().to_be_bytes();
        let mac = self.mac(&seconds, binding, provider);
        Secret::from(format!("{}-{}", hex::encode(seconds), hex::encode(mac)))
    }

    fn mac(&self, expires: &[u8], binding: &str, provider: &Provider) -> Vec<u8> {
        let parts = [b"SCEP challenge v1\0", expires, binding.as_bytes()];
        let mac = provider.mac(DigestAlgorithm::Sha256, &self.0, &parts);
        mac.as_ref().iter().copied().take(MAC_LEN).collect()
    }
}

/// What a bound challenge is held against.
///
/// The binding is the host's choice of what a request must be for: a serial number, a UDID, the common name that the profile asks for. The host
/// reads it from the request (its CSR, the URL it came to) and never from the challenge. The same challenge is good again until it expires, for
/// the same binding.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "each is needed for the decision")]
pub struct BoundChallenge<'a> {
    /// The key that made the challenge.
    pub key: &'a ChallengeKey,
    /// What this request is for.
    pub binding: &'a str,
    /// The time of receipt.
    pub now: Timestamp,
}

impl BoundChallenge<'_> {
    pub(super) fn accepts(&self, presented: &Secret, provider: &Provider) -> bool {
        let parts = || {
            let (expires, mac) = presented.expose_str()?.split_once('-')?;
            let expires = <[u8; 8]>::try_from(hex::decode(expires)?).ok()?;
            Some((expires, Secret::new(hex::decode(mac)?)))
        };
        let Some((expires, mac)) = parts() else { return false };
        let expected = Secret::new(self.key.mac(&expires, self.binding, provider));
        mac == expected && self.now.unix() < i64::from_be_bytes(expires)
    }
}
