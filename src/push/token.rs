//! Where a device listens.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Error;
use crate::hex;

/// The APNs device token of one enrollment, as `Token` in `TokenUpdate` gave it: 1 to 100 octets.
///
/// Apple has changed the size before and tells servers not to rely on it, so an odd size is no fault; an empty token and one that
/// is longer than APNs has ever issued are. The form of `Debug` tells the length only: the token is an address that others should
/// not learn. `serde` writes lower-case hexadecimal.
///
/// ```
/// use mdm_core::push::DeviceToken;
///
/// let token = DeviceToken::from_bytes(&[0x0A; 32])?;
/// assert!(token.to_hex().starts_with("0a0a"));
/// assert!(DeviceToken::from_bytes(&[]).is_err());
/// # Ok::<(), mdm_core::push::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DeviceToken(Vec<u8>);

impl DeviceToken {
    /// Longest token that is taken, in octets.
    pub const MAX_LEN: usize = 100;

    /// Takes the octets of `Token`.
    ///
    /// # Errors
    /// [`Error::Token`] when there are none or more than [`DeviceToken::MAX_LEN`].
    pub fn from_bytes(octets: &[u8]) -> Result<Self, Error> {
        if octets.is_empty() || octets.len() > Self::MAX_LEN {
            return Err(Error::Token { len: octets.len() });
        }
        Ok(DeviceToken(octets.to_vec()))
    }

    /// Reads the hexadecimal form, in either case.
    ///
    /// # Errors
    /// [`Error::Token`] when it is not pairs of digits, or the octets are too many or none.
    pub fn from_hex(text: &str) -> Result<Self, Error> {
        let octets = hex::decode(text).ok_or(Error::Token { len: text.len().div_ceil(2) })?;
        Self::from_bytes(&octets)
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Lower-case hexadecimal, as the path of a push has it.
    pub fn to_hex(&self) -> String {
        hex::encode(&self.0)
    }

    /// Appends the hexadecimal form.
    pub(super) fn write_hex(&self, text: &mut String) {
        hex::append(text, &self.0);
    }
}

impl fmt::Debug for DeviceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceToken({} bytes)", self.0.len())
    }
}

impl Serialize for DeviceToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for DeviceToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        DeviceToken::from_hex(&text).map_err(|_| serde::de::Error::custom("a device token must be 2 to 200 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_that_apple_could_choose_is_taken() {
        for len in [1, 31, 32, 33, 64, 100] {
            let token = DeviceToken::from_bytes(&vec![0xA5; len]).unwrap();
            assert_eq!(token.to_hex(), "a5".repeat(len));
            assert_eq!(DeviceToken::from_hex(&token.to_hex().to_uppercase()), Ok(token));
        }
        for len in [0, 101, 4096] {
            assert_eq!(DeviceToken::from_bytes(&vec![0; len]), Err(Error::Token { len }));
        }
    }

    #[test]
    fn text_that_is_not_pairs_of_digits_is_refused() {
        for text in ["", "a", "abc", "0g", "0x", "é0", "+1"] {
            assert!(DeviceToken::from_hex(text).is_err(), "{text}");
        }
    }

    #[test]
    fn stored_as_hexadecimal_and_never_shown() {
        let token = DeviceToken::from_bytes(&[0x00, 0xFF]).unwrap();
        assert_eq!(serde_json::to_string(&token).unwrap(), "\"00ff\"");
        assert_eq!(serde_json::from_str::<DeviceToken>("\"00ff\"").unwrap(), token);
        assert!(serde_json::from_str::<DeviceToken>("\"00f\"").is_err());
        assert_eq!(format!("{token:?}"), "DeviceToken(2 bytes)");
    }
}
