//! The version that a stored record says it has.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version of a record's encoding, written as a number and refused when it is another: a record of a later release is an
/// error when it is read, not a record with fields that went missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Format<const VERSION: u16>;

impl<const VERSION: u16> Serialize for Format<VERSION> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(VERSION)
    }
}

impl<'de, const VERSION: u16> Deserialize<'de> for Format<VERSION> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u16::deserialize(deserializer)? {
            found if found == VERSION => Ok(Format),
            found => Err(serde::de::Error::custom(format_args!(
                "the record has format {found}, this version reads format {VERSION}"
            ))),
        }
    }
}

/// A public key as base64 text of its SubjectPublicKeyInfo.
pub(crate) mod public_key {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::crypto::PublicKey;

    pub(crate) fn serialize<S: Serializer>(key: &PublicKey, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(key.as_der()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
        let der = STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)?;
        PublicKey::from_der(&der).map_err(serde::de::Error::custom)
    }
}
