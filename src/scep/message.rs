//! The vocabulary of a SCEP message: its type, its status, its names and nonces (RFC 8894 section 3.2.1).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Error;
use crate::crypto::{self, Provider};
use crate::hex;

/// What a message asks or answers (RFC 8894 section 3.2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum MessageType {
    /// 3, the answer to every request.
    CertRep,
    /// 17, a new certificate for the holder of one that is in force.
    RenewalReq,
    /// 19, a first certificate.
    PkcsReq,
    /// 20, asking again for a certificate that was pending.
    CertPoll,
    /// 21, asking for a certificate that was issued before.
    GetCert,
    /// 22, asking for the revocation list.
    GetCrl,
    /// Any other number. It is never acted upon: 18 was once an update that bypassed authorisation (CVE-2026-30836).
    Other(u32),
}

impl MessageType {
    /// The number on the wire.
    pub const fn code(self) -> u32 {
        match self {
            MessageType::CertRep => 3,
            MessageType::RenewalReq => 17,
            MessageType::PkcsReq => 19,
            MessageType::CertPoll => 20,
            MessageType::GetCert => 21,
            MessageType::GetCrl => 22,
            MessageType::Other(code) => code,
        }
    }

    /// The type that a number names.
    pub const fn from_code(code: u32) -> Self {
        match code {
            3 => MessageType::CertRep,
            17 => MessageType::RenewalReq,
            19 => MessageType::PkcsReq,
            20 => MessageType::CertPoll,
            21 => MessageType::GetCert,
            22 => MessageType::GetCrl,
            other => MessageType::Other(other),
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            MessageType::CertRep => "CertRep",
            MessageType::RenewalReq => "RenewalReq",
            MessageType::PkcsReq => "PKCSReq",
            MessageType::CertPoll => "CertPoll",
            MessageType::GetCert => "GetCert",
            MessageType::GetCrl => "GetCRL",
            MessageType::Other(code) => return write!(f, "message type {code}"),
        };
        f.write_str(name)
    }
}

/// How a request fared (RFC 8894 section 3.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "RFC 8894 knows three and any other is an error")]
pub enum PkiStatus {
    /// 0, granted.
    Success,
    /// 2, denied.
    Failure,
    /// 3, undecided: poll.
    Pending,
}

impl PkiStatus {
    /// The number on the wire.
    pub const fn code(self) -> u32 {
        match self {
            PkiStatus::Success => 0,
            PkiStatus::Failure => 2,
            PkiStatus::Pending => 3,
        }
    }

    /// The status that a number names.
    pub const fn from_code(code: u32) -> Option<Self> {
        match code {
            0 => Some(PkiStatus::Success),
            2 => Some(PkiStatus::Failure),
            3 => Some(PkiStatus::Pending),
            _ => None,
        }
    }
}

/// Why a request was denied (RFC 8894 section 3.2.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "RFC 8894 knows five")]
pub enum FailInfo {
    /// 0, unknown or unsupported algorithm.
    BadAlg,
    /// 1, the integrity check failed.
    BadMessageCheck,
    /// 2, the transaction is not permitted or not supported.
    BadRequest,
    /// 3, the signing time is too far from the server's.
    BadTime,
    /// 4, no certificate matches what was asked for.
    BadCertId,
}

impl FailInfo {
    /// The number on the wire.
    pub const fn code(self) -> u32 {
        match self {
            FailInfo::BadAlg => 0,
            FailInfo::BadMessageCheck => 1,
            FailInfo::BadRequest => 2,
            FailInfo::BadTime => 3,
            FailInfo::BadCertId => 4,
        }
    }

    /// The reason that a number names.
    pub const fn from_code(code: u32) -> Option<Self> {
        match code {
            0 => Some(FailInfo::BadAlg),
            1 => Some(FailInfo::BadMessageCheck),
            2 => Some(FailInfo::BadRequest),
            3 => Some(FailInfo::BadTime),
            4 => Some(FailInfo::BadCertId),
            _ => None,
        }
    }
}

/// The client's name for one operation and all messages that belong to it (RFC 8894 section 3.2.1.1): 1 to 256 printable ASCII
/// characters.
///
/// A client may choose any, `../` among them, and two clients may choose the same. It is no path, no key by itself, and no proof of
/// anything.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TransactionId(String);

impl TransactionId {
    /// The longest that is read: EUI, hash and decimal forms are all under 80.
    pub const MAX_LEN: usize = 256;

    /// Takes a text.
    ///
    /// # Errors
    /// [`Error::TransactionId`] when it is empty, too long, or has other characters than printable ASCII.
    pub fn new(text: impl Into<String>) -> Result<Self, Error> {
        let text = text.into();
        let printable = text.bytes().all(|octet| (0x20..0x7F).contains(&octet));
        let fits = (1..=Self::MAX_LEN).contains(&text.len());
        if printable && fits { Ok(TransactionId(text)) } else { Err(Error::TransactionId) }
    }

    /// A fresh one: 128 random bits in hexadecimal.
    ///
    /// # Errors
    /// [`Error::Crypto`] when there is no randomness.
    pub fn random(provider: &Provider) -> Result<Self, Error> {
        Ok(TransactionId(hex::encode(provider.random_bytes::<16>()?)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransactionId({:?})", self.0)
    }
}

impl<'de> Deserialize<'de> for TransactionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TransactionId::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A number used once (RFC 8894 section 3.2.1.5): 16 octets, or 1 to 64 where [`Peer::odd_nonces`](super::Peer::odd_nonces)
/// tolerates them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Nonce(Vec<u8>);

impl Nonce {
    /// What RFC 8894 demands, and what is made here.
    pub const LEN: usize = 16;
    /// The longest that is read at all.
    pub const MAX_LEN: usize = 64;

    /// A fresh nonce.
    ///
    /// # Errors
    /// [`crypto::Error::Random`].
    pub fn random(provider: &Provider) -> Result<Self, crypto::Error> {
        Ok(Nonce(provider.random_bytes::<{ Nonce::LEN }>()?.to_vec()))
    }

    /// From received octets, of any length up to [`Nonce::MAX_LEN`] but none.
    pub(super) fn from_octets(octets: &[u8]) -> Option<Self> {
        (1..=Self::MAX_LEN).contains(&octets.len()).then(|| Nonce(octets.to_vec()))
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({})", hex::encode(&self.0))
    }
}

impl Serialize for Nonce {
    /// Hexadecimal text.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Nonce {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bad = || serde::de::Error::custom("a nonce must be 1 to 64 octets in hexadecimal");
        hex::decode(&text).and_then(|octets| Nonce::from_octets(&octets)).ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_as_themselves() {
        for code in 0..100 {
            assert_eq!(MessageType::from_code(code).code(), code);
        }
        assert_eq!(MessageType::from_code(18), MessageType::Other(18));
        for code in 0..10 {
            assert_eq!(PkiStatus::from_code(code).map_or(code, PkiStatus::code), code);
            assert_eq!(FailInfo::from_code(code).map_or(code, FailInfo::code), code);
        }
        assert_eq!(PkiStatus::from_code(1), None);
        assert_eq!(FailInfo::from_code(5), None);
    }

    #[test]
    fn transaction_identifiers_are_bounded_and_printable() {
        for good in ["0", "../", "SSCEP transactionId", "u+Yh/Q==", &"7".repeat(256)] {
            assert_eq!(TransactionId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a\0b", "a\n", "é", &"7".repeat(257), &"7".repeat(100_000)] {
            assert_eq!(TransactionId::new(bad), Err(Error::TransactionId));
        }
        assert!(serde_json::from_str::<TransactionId>("\"\"").is_err());
    }

    #[test]
    fn nonces_survive_storage() {
        let nonce = Nonce::from_octets(&[0, 1, 0xFF]).unwrap();
        let text = serde_json::to_string(&nonce).unwrap();
        assert_eq!(text, "\"0001ff\"");
        assert_eq!(serde_json::from_str::<Nonce>(&text).unwrap(), nonce);
        for bad in ["\"\"", "\"0\"", "\"zz\"", &format!("\"{}\"", "00".repeat(65))] {
            assert!(serde_json::from_str::<Nonce>(bad).is_err(), "{bad}");
        }
    }
}
