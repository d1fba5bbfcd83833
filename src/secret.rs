//! Bytes that must not be printed, compared in variable time or left in memory.
//!
//! Challenges, unlock and bootstrap tokens, push magic, content keys and private keys live in [`Secret`]. The type refuses to
//! format its content, compares in constant time and overwrites itself when dropped. It does not refuse `serde`: a record that
//! holds a secret must be stored by the host, and where it is stored is the host's decision.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret octet string.
///
/// ```
/// use mdm_core::secret::Secret;
///
/// let challenge = Secret::from("open sesame");
/// assert_eq!(format!("{challenge:?}"), "Secret(11 bytes)");
/// assert_eq!(challenge, Secret::from("open sesame"));
/// ```
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Secret(bytes)
    }

    /// The bytes, for the moment they are needed. Do not keep a copy.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, when they are UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Secret(bytes)
    }
}

impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Self {
        Secret(bytes.to_vec())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Secret(text.into_bytes())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Secret(text.as_bytes().to_vec())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

impl PartialEq for Secret {
    /// Constant in time for equal lengths; only the length can be learnt.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl Serialize for Secret {
    /// Base64 text in every format, so that the encoding of a record does not depend on the format's byte type.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        let mut text = base64::engine::general_purpose::STANDARD.encode(&self.0);
        let outcome = serializer.serialize_str(&text);
        text.zeroize();
        outcome
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::Engine as _;
        let mut text = String::deserialize(deserializer)?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(&text);
        text.zeroize();
        // The decoder's own message would quote a byte of the secret.
        bytes.map(Secret).map_err(|_| serde::de::Error::custom("a secret must be base64 text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_length_and_nothing_else() {
        assert_eq!(format!("{:?}", Secret::from("hunter2")), "Secret(7 bytes)");
    }

    #[test]
    fn equal_only_to_the_same_bytes() {
        assert_eq!(Secret::from("a"), Secret::from("a"));
        assert_ne!(Secret::from("a"), Secret::from("b"));
        assert_ne!(Secret::from("a"), Secret::from("aa"));
    }

    #[test]
    fn serde_keeps_every_byte() {
        let secret = Secret::new((0..=255).collect());
        let text = serde_json::to_string(&secret).unwrap();
        assert_eq!(serde_json::from_str::<Secret>(&text).unwrap(), secret);
    }

    #[test]
    fn a_damaged_stored_secret_is_not_quoted_in_the_error() {
        let error = serde_json::from_str::<Secret>("\"hunter!2\"").unwrap_err().to_string();
        assert!(!error.contains('!') && !error.contains("hunter"), "{error}");
    }
}
