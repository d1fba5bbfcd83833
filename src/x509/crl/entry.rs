//! One revoked certificate.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::asn1::{Error as Asn1Error, Reader, Tag, Writer, fits_utc_time};
use crate::time::Timestamp;
use crate::x509::{Extension, Extensions, SerialNumber, oid};

/// Why a certificate was revoked (RFC 5280 section 5.3.1). Code 7 does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RevocationReason {
    /// No reason given: never written out.
    #[default]
    #[serde(rename = "unspecified")]
    Unspecified,
    /// The private key is known, or thought to be known, to others.
    #[serde(rename = "keyCompromise")]
    KeyCompromise,
    /// The same of an authority's key.
    #[serde(rename = "cACompromise")]
    CaCompromise,
    /// The subject's name or affiliation has changed.
    #[serde(rename = "affiliationChanged")]
    AffiliationChanged,
    /// Another certificate has taken its place.
    #[serde(rename = "superseded")]
    Superseded,
    /// It is not needed any more.
    #[serde(rename = "cessationOfOperation")]
    CessationOfOperation,
    /// Suspended: the only reason that can be taken back.
    #[serde(rename = "certificateHold")]
    CertificateHold,
    /// The suspension is over. Stands in delta lists only.
    #[serde(rename = "removeFromCRL")]
    RemoveFromCrl,
    /// A privilege that it carried has been withdrawn.
    #[serde(rename = "privilegeWithdrawn")]
    PrivilegeWithdrawn,
    /// The key of an attribute authority is known to others.
    #[serde(rename = "aACompromise")]
    AaCompromise,
}

impl RevocationReason {
    const ALL: [(RevocationReason, u8, &'static str); 10] = [
        (RevocationReason::Unspecified, 0, "unspecified"),
        (RevocationReason::KeyCompromise, 1, "keyCompromise"),
        (RevocationReason::CaCompromise, 2, "cACompromise"),
        (RevocationReason::AffiliationChanged, 3, "affiliationChanged"),
        (RevocationReason::Superseded, 4, "superseded"),
        (RevocationReason::CessationOfOperation, 5, "cessationOfOperation"),
        (RevocationReason::CertificateHold, 6, "certificateHold"),
        (RevocationReason::RemoveFromCrl, 8, "removeFromCRL"),
        (RevocationReason::PrivilegeWithdrawn, 9, "privilegeWithdrawn"),
        (RevocationReason::AaCompromise, 10, "aACompromise"),
    ];

    /// CRLReason, to the end of the reader.
    pub(in crate::x509) fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let code = reader.tagged(Tag::ENUMERATED)?;
        reader.clone().finish()?;
        let known = match code.value() {
            [code] => RevocationReason::from_code(*code),
            _ => None,
        };
        known.ok_or_else(|| Asn1Error::field("reasonCode", code.at()))
    }

    /// The code on the wire.
    pub fn code(self) -> u8 {
        Self::ALL.iter().find(|(reason, ..)| *reason == self).map_or(0, |(_, code, _)| *code)
    }

    /// The reason with this code, when there is one.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == code).map(|(reason, ..)| *reason)
    }
}

impl fmt::Display for RevocationReason {
    /// The name that RFC 5280 gives it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(reason, ..)| reason == self).map_or("unspecified", |(.., name)| name))
    }
}

/// One entry of a revocation list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevokedEntry {
    /// The certificate's serial number.
    pub serial: SerialNumber,
    /// When it was revoked.
    pub date: Timestamp,
    /// Why.
    pub reason: RevocationReason,
    /// From when on the key is not to be trusted, when that is earlier than the revocation.
    pub invalidity_date: Option<Timestamp>,
}

pub(super) const ENTRY: &str = "entry of a revocation list";

/// Extension { cRLReasons, OCTET STRING { ENUMERATED } } up to the code.
const REASON_EXTENSION: [u8; 11] = [0x30, 0x0A, 0x06, 0x03, 0x55, 0x1D, 0x15, 0x04, 0x03, 0x0A, 0x01];
/// Extension { invalidityDate, OCTET STRING { GeneralizedTime } } up to the time.
const INVALIDITY_EXTENSION: [u8; 9] = [0x30, 0x18, 0x06, 0x03, 0x55, 0x1D, 0x18, 0x04, 0x11];

impl RevokedEntry {
    /// Revoked at this moment, for no stated reason.
    pub const fn new(serial: SerialNumber, date: Timestamp) -> Self {
        RevokedEntry { serial, date, reason: RevocationReason::Unspecified, invalidity_date: None }
    }

    /// The same for a reason.
    #[must_use]
    pub const fn because(self, reason: RevocationReason) -> Self {
        RevokedEntry { reason, ..self }
    }

    /// The same with the key not to be trusted from this moment on.
    #[must_use]
    pub const fn invalid_since(self, date: Timestamp) -> Self {
        RevokedEntry { invalidity_date: Some(date), ..self }
    }

    /// Reads one element of revokedCertificates (RFC 5280 section 5.1.2.6), and says whether it has a critical extension that is
    /// not known: a list with such an entry must not be used (section 5.3).
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<(Self, bool), Asn1Error> {
        let mut inner = reader.sequence()?;
        let mut entry = RevokedEntry::new(SerialNumber::read(&mut inner)?, inner.time()?);
        let mut unknown_critical = false;
        if !inner.is_empty() {
            for extension in Extensions::read(&mut inner)?.iter() {
                unknown_critical |= !entry.take(&extension)? && extension.is_critical();
            }
        }
        inner.finish()?;
        Ok((entry, unknown_critical))
    }

    /// Whether the extension is a known one.
    fn take(&mut self, extension: &Extension<'_>) -> Result<bool, Asn1Error> {
        let mut value = extension.reader();
        match extension.oid() {
            oid::CRL_REASON => self.reason = RevocationReason::read(&mut value)?,
            oid::INVALIDITY_DATE => self.invalidity_date = Some(value.time()?),
            _ => return Ok(false),
        }
        value.finish().map(|()| true)
    }

    /// How many octets the entry takes.
    pub(super) fn encoded_len(&self) -> usize {
        let content = self.lengths().0;
        // A header of two octets up to 127, of three up to 255: no entry is longer.
        content.saturating_add(if content < 128 { 2 } else { 3 })
    }

    /// The lengths of the content, and of the extensions in it.
    fn lengths(&self) -> (usize, usize) {
        let reason = if self.reason == RevocationReason::Unspecified { 0 } else { REASON_EXTENSION.len().saturating_add(1) };
        let invalidity =
            if self.invalidity_date.is_some() { INVALIDITY_EXTENSION.len().saturating_add(GENERALIZED_TIME) } else { 0 };
        let extensions = reason.saturating_add(invalidity);
        // Serial number and extensions stay below 128 octets, so that each has a header of two.
        let framed = if extensions == 0 { 0 } else { extensions.saturating_add(2) };
        let date = if fits_utc_time(self.date) { UTC_TIME } else { GENERALIZED_TIME };
        (self.serial.content().len().saturating_add(2).saturating_add(date).saturating_add(framed), extensions)
    }

    /// Writes the entry with lengths that are known beforehand: nothing is moved, a million of them is nothing.
    pub(super) fn write(&self, w: &mut Writer) {
        let (length, extensions) = self.lengths();
        w.header(Tag::SEQUENCE, length);
        self.serial.write(w);
        w.time(self.date);
        if extensions == 0 {
            return;
        }
        w.header(Tag::SEQUENCE, extensions);
        if self.reason != RevocationReason::Unspecified {
            w.raw(&REASON_EXTENSION);
            w.raw(&[self.reason.code()]);
        }
        if let Some(date) = self.invalidity_date {
            w.raw(&INVALIDITY_EXTENSION);
            w.generalized_time(date);
        }
    }
}

/// Octets of the elements, headers included.
const UTC_TIME: usize = 15;
const GENERALIZED_TIME: usize = 17;
