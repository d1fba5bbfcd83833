//! Revocation lists.

use mdm_core::limits::Limits;
use mdm_core::x509::{CertificateRevocationList, RevocationReason};
use serde::Serialize;

use crate::detect::Found;
use crate::given::{Given, LEGACY, Verified};
use crate::name;

/// A list and its entries, which for long lists are left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrlView {
    issuer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    /// Of the full list that this one continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    base_number: Option<u64>,
    this_update: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_update: Option<String>,
    signature_algorithm: &'static str,
    #[serde(flatten)]
    verified: Verified,
    /// How many certificates are revoked, and the first of them.
    revoked: usize,
    entries: Vec<EntryView>,
}

/// One revoked certificate.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryView {
    /// In hexadecimal.
    serial: String,
    date: String,
    reason: RevocationReason,
    #[serde(skip_serializing_if = "Option::is_none")]
    invalidity_date: Option<String>,
}

/// The most entries that are printed.
const SHOWN: usize = 1000;
/// Lists are long: everything that fits a file.
const LIMITS: Limits = Limits::PKI.bytes(crate::LONGEST).items(usize::MAX);

pub fn describe(der: &[u8], given: &Given) -> Result<Found, String> {
    let list = CertificateRevocationList::from_der(der, &LIMITS).map_err(|error| error.to_string())?;
    let check = |key: &_| list.verify_signature(key, &given.provider, LEGACY).map_err(|error| error.to_string());
    let entries = list.entries().take(SHOWN).map(|entry| EntryView {
        serial: entry.serial.to_string(),
        date: entry.date.to_string(),
        reason: entry.reason,
        invalidity_date: entry.invalidity_date.map(|at| at.to_string()),
    });
    Ok(Found::Crl(CrlView {
        issuer: list.issuer().to_string(),
        number: list.number().map(|number| number.get()),
        base_number: list.base().map(|number| number.get()),
        this_update: list.this_update().to_string(),
        next_update: list.next_update().map(|at| at.to_string()),
        signature_algorithm: name::signature(list.signature_algorithm()),
        verified: given.verify(None, check),
        revoked: list.entries().count(),
        entries: entries.collect(),
    }))
}
