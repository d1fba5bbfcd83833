//! Which revocation lists there are: of which key, of which part of its certificates, and where they are found.

use serde::{Deserialize, Serialize};

use super::{Authority, Error, KeyId};
use crate::x509::SerialNumber;

/// A line of revocation lists: each list in it replaces the one before.
///
/// There is one for each key, over all certificates that the key signed. An authority that was renewed with a new key goes on
/// issuing the lists of the old one, until the last certificate that the old key signed has ended: most programs refuse a list
/// that another key signed. By choice ([`CrlParts`]) there is one more for each part of the certificates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CrlScope {
    /// The key that signs, and whose certificates are listed.
    pub key: KeyId,
    /// The part of the certificates; `None` for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
}

impl CrlScope {
    /// All certificates that this key signed.
    pub const fn full(key: KeyId) -> Self {
        CrlScope { key, part: None }
    }

    /// The certificates of one part that this key signed.
    pub const fn part(key: KeyId, part: u32) -> Self {
        CrlScope { key, part: Some(part) }
    }
}

/// Revocation lists in parts, for authorities whose full list is too long for those who fetch it.
///
/// A certificate that is issued from then on belongs to one part, by its serial number, and names that part's list; the list names
/// itself in the same words (issuingDistributionPoint, RFC 5280 section 5.2.5), so that no part can be passed for another. NSS
/// reads no such list, and GnuTLS takes any part for any other, which is why parts are a choice. The full list goes on beside them.
///
/// Since certificates hold the address, it cannot be changed later, and the number of parts can only grow.
///
/// ```
/// use mdm_core::ca::{CrlParts, Settings};
///
/// let parts = CrlParts { count: 16, uri: "http://ca.example.com/crl/{key}-{part}.crl".into() };
/// let settings = Settings { crl_parts: Some(parts), ..Settings::default() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "made by hosts, field by field")]
pub struct CrlParts {
    /// How many, 1 to 65,536.
    pub count: u32,
    /// Where they are published (`http`, not `https`). `{key}` in it stands for the number of the authority's key, that of the first
    /// generation that has it, `{part}` for the number of the part, from 0 on; both must be there.
    pub uri: String,
}

/// Most parts. With more, each is so short that nothing is won.
const MAX_PARTS: u32 = 1 << 16;

impl CrlParts {
    /// The part that a serial number falls into.
    fn of(&self, serial: &SerialNumber) -> Option<u32> {
        // The last four octets of a random number are as random as all of it.
        let low = serial.as_bytes().iter().rev().take(4).fold(0, |low: u32, octet| (low << 8) | u32::from(*octet));
        low.checked_rem(self.count)
    }

    fn check(&self) -> Result<(), Error> {
        if !(1..=MAX_PARTS).contains(&self.count) {
            return Err(Error::Misuse("revocation lists come in 1 to 65,536 parts"));
        }
        if !self.uri.contains(KEY) || !self.uri.contains(PART) {
            return Err(Error::Misuse("the address of a part must hold {key} and {part}, or two parts would share one"));
        }
        Ok(())
    }

    /// Whether certificates that were issued under these go on finding their lists under those.
    fn may_become(&self, new: Option<&CrlParts>) -> bool {
        new.is_some_and(|new| new.uri == self.uri && new.count >= self.count)
    }
}

const KEY: &str = "{key}";
const PART: &str = "{part}";

/// Checks what the settings say of lists, and that what certificates say already stays true.
pub(super) fn check_change(old: Option<&CrlParts>, new: Option<&CrlParts>) -> Result<(), Error> {
    new.map_or(Ok(()), CrlParts::check)?;
    if old.is_some_and(|old| !old.may_become(new)) {
        return Err(Error::Misuse("certificates name their part's list: its address cannot change, nor parts become fewer"));
    }
    Ok(())
}

impl Authority {
    /// The scopes in which lists are due for as long as certificates of the key are in use: for each key, the oldest first, all its
    /// certificates, and then each part.
    pub fn crl_scopes(&self) -> Vec<CrlScope> {
        let mut keys: Vec<&KeyId> = Vec::new();
        for generation in self.generations() {
            if !keys.contains(&&generation.key) {
                keys.push(&generation.key);
            }
        }
        let parts = self.settings().crl_parts.as_ref().map_or(0, |parts| parts.count);
        let of_key = |key: &KeyId| {
            let part = |part| CrlScope::part(key.clone(), part);
            std::iter::once(CrlScope::full(key.clone())).chain((0..parts).map(part)).collect::<Vec<_>>()
        };
        keys.into_iter().flat_map(of_key).collect()
    }

    /// Where the list of this scope is said to be: for a part, what stands in its certificates and in the list.
    pub fn crl_uri(&self, scope: &CrlScope) -> Option<String> {
        let part = scope.part?;
        let parts = self.settings().crl_parts.as_ref().filter(|parts| part < parts.count)?;
        Some(self.fill_in(&parts.uri, &scope.key, &part.to_string()))
    }

    /// Where the delta lists of this scope are said to be: what stands in its full lists.
    pub fn delta_crl_uri(&self, scope: &CrlScope) -> Option<String> {
        let part = scope.part.map_or_else(|| "full".to_owned(), |part| part.to_string());
        self.settings().delta_crl_uri.as_ref().map(|uri| self.fill_in(uri, &scope.key, &part))
    }

    /// The addresses of full lists in a certificate that this key signs.
    pub(super) fn full_crl_uris(&self, uris: &[String], key: &KeyId) -> Vec<String> {
        uris.iter().map(|uri| self.fill_in(uri, key, "full")).collect()
    }

    /// The part that a certificate with this serial number will belong to.
    pub(super) fn part_of(&self, serial: &SerialNumber) -> Option<u32> {
        self.settings().crl_parts.as_ref().and_then(|parts| parts.of(serial))
    }

    fn fill_in(&self, uri: &str, key: &KeyId, part: &str) -> String {
        let number = self.generations().iter().find(|generation| generation.key == *key).map_or(0, |first| first.id.get());
        uri.replace(KEY, &number.to_string()).replace(PART, part)
    }
}
