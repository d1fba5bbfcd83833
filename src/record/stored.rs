//! How the parts of a record are stored: as text that every format of `serde` keeps byte for byte.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// DER or a signature, stored as base64 text.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Octets(pub(crate) Vec<u8>);

impl std::fmt::Debug for Octets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Octets({})", self.0.len())
    }
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        base64(deserializer).map(Octets)
    }
}

/// The octets of a base64 text, decoded where it stands: a log of a million events holds half a gigabyte of them.
pub(crate) fn base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    struct Text;

    impl Visitor<'_> for Text {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("base64 text")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
            STANDARD.decode(text).map_err(|_| E::custom("expected base64 text"))
        }
    }

    deserializer.deserialize_str(Text)
}

/// The version of a record's encoding. There is one so far; a record of a later one is refused rather than misread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format;

const FORMAT: u16 = 1;

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        FORMAT.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u16::deserialize(deserializer)? {
            FORMAT => Ok(Format),
            other => {
                Err(D::Error::custom(format_args!("the record has format {other}, this version of the crate reads {FORMAT}")))
            }
        }
    }
}

/// A public key, stored as its SubjectPublicKeyInfo.
pub(crate) mod public_key {
    use super::Octets;
    use crate::crypto::PublicKey;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(key: &PublicKey, serializer: S) -> Result<S::Ok, S::Error> {
        Octets(key.as_der().to_vec()).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
        PublicKey::from_der(&Octets::deserialize(deserializer)?.0).map_err(D::Error::custom)
    }
}
