//! The signed attributes of SCEP on the wire (RFC 8894 section 3.2.1).

use super::{Error, FailInfo, MessageType, Nonce, Peer, PkiStatus, TransactionId};
use crate::asn1::{Element, Oid, Tag};
use crate::cms::{Attribute, Attributes};
use crate::secret::Secret;

/// An attribute of Verisign's arc 2.16.840.1.113733.1.9.
macro_rules! verisign {
    ($number:literal) => {
        Oid::from_content(&[0x60, 0x86, 0x48, 0x01, 0x86, 0xF8, 0x45, 0x01, 0x09, $number])
    };
}

const MESSAGE_TYPE: Oid<'static> = verisign!(2);
const PKI_STATUS: Oid<'static> = verisign!(3);
const FAIL_INFO: Oid<'static> = verisign!(4);
const SENDER_NONCE: Oid<'static> = verisign!(5);
const RECIPIENT_NONCE: Oid<'static> = verisign!(6);
const TRANSACTION_ID: Oid<'static> = verisign!(7);
/// id-scep-failInfoText, 1.3.6.1.5.5.7.24.1.
const FAIL_INFO_TEXT: Oid<'static> = Oid::from_content(&[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x18, 0x01]);
/// challengePassword, RFC 2985 section 5.4.1.
const CHALLENGE_PASSWORD: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x07]);

/// What the signed attributes say.
#[derive(Clone, Debug)]
pub(super) struct ScepAttributes {
    pub message_type: MessageType,
    pub transaction_id: TransactionId,
    pub sender_nonce: Option<Nonce>,
    pub recipient_nonce: Option<Nonce>,
    pub pki_status: Option<PkiStatus>,
    /// The number, which may be none of [`FailInfo`].
    pub fail_info: Option<u32>,
    pub fail_info_text: Option<String>,
    pub challenge: Option<Secret>,
}

impl ScepAttributes {
    pub fn read(attributes: &Attributes<'_>, peer: &Peer) -> Result<Self, Error> {
        let number =
            |oid, name| attributes.optional(oid, name).map_err(Error::from)?.map(|value| read_number(value, name)).transpose();
        let nonce = |oid, name| {
            attributes.optional(oid, name).map_err(Error::from)?.map(|value| read_nonce(value, name, peer)).transpose()
        };
        let text = |oid, name| Ok::<_, Error>(attributes.optional(oid, name)?.and_then(|value| value.text().map(String::from)));
        let message_type = number(MESSAGE_TYPE, "messageType")?.ok_or(Error::Attribute("messageType"))?;
        let transaction_id = text(TRANSACTION_ID, "transactionID")?.ok_or(Error::TransactionId)?;
        let status = number(PKI_STATUS, "pkiStatus")?;
        let pki_status = status.map(|code| PkiStatus::from_code(code).ok_or(Error::Attribute("pkiStatus"))).transpose()?;
        Ok(ScepAttributes {
            message_type: MessageType::from_code(message_type),
            transaction_id: TransactionId::new(transaction_id)?,
            sender_nonce: nonce(SENDER_NONCE, "senderNonce")?,
            recipient_nonce: nonce(RECIPIENT_NONCE, "recipientNonce")?,
            pki_status,
            fail_info: number(FAIL_INFO, "failInfo")?,
            fail_info_text: text(FAIL_INFO_TEXT, "failInfoText")?.map(|text| text.chars().take(MAX_TEXT).collect()),
            challenge: text(CHALLENGE_PASSWORD, "challengePassword")?.map(Secret::from),
        })
    }
}

/// The longest failInfoText that is kept, in characters.
const MAX_TEXT: usize = 255;

/// A decimal number in a PrintableString.
fn read_number(value: Element<'_>, name: &'static str) -> Result<u32, Error> {
    let bad = Error::Attribute(name);
    let text = value.text().ok_or_else(|| bad.clone())?;
    if !(1..=9).contains(&text.len()) || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(bad);
    }
    text.parse().map_err(|_| bad)
}

fn read_nonce(value: Element<'_>, name: &'static str, peer: &Peer) -> Result<Nonce, Error> {
    let bad = Error::Attribute(name);
    if value.tag() != Tag::OCTET_STRING || (value.value().len() != Nonce::LEN && !peer.odd_nonces) {
        return Err(bad);
    }
    Nonce::from_octets(value.value()).ok_or(bad)
}

pub(super) fn message_type(message_type: MessageType) -> Attribute {
    number(MESSAGE_TYPE, message_type.code())
}

pub(super) fn pki_status(status: PkiStatus) -> Attribute {
    number(PKI_STATUS, status.code())
}

pub(super) fn fail_info(reason: FailInfo) -> Attribute {
    number(FAIL_INFO, reason.code())
}

pub(super) fn fail_info_text(text: &str) -> Attribute {
    Attribute::new(FAIL_INFO_TEXT, |w| w.utf8_string(&text.chars().take(MAX_TEXT).collect::<String>()))
}

pub(super) fn transaction_id(id: &TransactionId) -> Attribute {
    Attribute::new(TRANSACTION_ID, |w| w.printable_string(id.as_str()))
}

pub(super) fn sender_nonce(nonce: &Nonce) -> Attribute {
    Attribute::new(SENDER_NONCE, |w| w.octet_string(nonce.as_bytes()))
}

pub(super) fn recipient_nonce(nonce: &Nonce) -> Attribute {
    Attribute::new(RECIPIENT_NONCE, |w| w.octet_string(nonce.as_bytes()))
}

fn number(oid: Oid<'_>, code: u32) -> Attribute {
    Attribute::new(oid, |w| w.printable_string(&code.to_string()))
}
