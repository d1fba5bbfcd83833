//! A log that shows when it was changed.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::crypto::{DigestAlgorithm, Provider};
use crate::hex;

/// What a log of events comes to at some point: a SHA-256 over the head before and the entry, so that the head stands for every entry
/// up to there and their order. Stored as lower-case hexadecimal.
///
/// A host stores the head with each entry, in the same transaction, and now and then puts one where whoever writes the log cannot write:
/// into an audit system, on paper, beside a backup. An entry that was changed, left out or added later does not lead to that head any
/// more. The head also names a snapshot: the record that the entries up to it make.
///
/// ```
/// # #[cfg(feature = "rustcrypto")] {
/// use mdm_core::crypto::Provider;
/// use mdm_core::record::LogHead;
///
/// /// Whether these entries, as they are stored, are those that led to this head.
/// fn is_whole<'a>(entries: impl IntoIterator<Item = &'a str>, known: LogHead, provider: &Provider) -> bool {
///     let head = entries.into_iter().fold(LogHead::EMPTY, |head, entry| head.then(entry.as_bytes(), provider));
///     head == known
/// }
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogHead([u8; 32]);

impl LogHead {
    /// That of a log without entries.
    pub const EMPTY: LogHead = LogHead([0; 32]);

    /// The head after one more entry, given as it is stored: an event of [`Change::events`](super::Change::events) as JSON, say.
    #[must_use]
    pub fn then(self, entry: &[u8], provider: &Provider) -> Self {
        let digest = provider.digests.digest(DigestAlgorithm::Sha256, &[&self.0, entry]);
        let mut head = [0; 32];
        for (slot, octet) in head.iter_mut().zip(digest.as_ref()) {
            *slot = *octet;
        }
        LogHead(head)
    }

    /// The digest's octets.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for LogHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for LogHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for LogHead {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogHead {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let octets = hex::decode(String::deserialize(deserializer)?).and_then(|octets| octets.try_into().ok());
        octets.map(LogHead).ok_or_else(|| D::Error::custom("expected 64 hexadecimal digits"))
    }
}

#[cfg(all(test, feature = "rustcrypto"))]
mod tests {
    use super::*;
    use crate::crypto::{Error, Random};

    struct Dry;

    impl Random for Dry {
        fn fill(&self, _: &mut [u8]) -> Result<(), Error> {
            Err(Error::Random)
        }
    }

    fn head(entries: &[&str]) -> LogHead {
        let provider = Provider::rustcrypto(&Dry);
        entries.iter().fold(LogHead::EMPTY, |head, entry| head.then(entry.as_bytes(), &provider))
    }

    #[test]
    fn another_log_has_another_head() {
        let whole = head(&["created", "signed", "revoked"]);
        for other in [
            &["created", "signed"][..],
            &["created", "revoked"],
            &["created", "revoked", "signed"],
            &["created", "signed", "Revoked"],
            &["created", "signedrevoked"],
            &["created", "signed", "revoked", ""],
        ] {
            assert_ne!(head(other), whole, "{other:?}");
        }
        assert_eq!(head(&[]), LogHead::EMPTY);
    }

    // (head -c 32 /dev/zero; printf created) | sha256sum
    #[test]
    fn the_head_is_what_other_programs_make_of_it() {
        let head = head(&["created"]);
        let text = "8c85598eab852269c3174358d66efee4630752c64fe5728d19b97161c0a9d5ca";
        assert_eq!(head.to_string(), text);
        assert_eq!(serde_json::to_string(&head).unwrap(), format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<LogHead>(&format!("\"{text}\"")).unwrap(), head);
        assert!(serde_json::from_str::<LogHead>("\"00\"").is_err());
    }
}
