//! The authority: made, its lists, its answers over OCSP.

use std::time::Instant;

use mdm_core::ca::{Authority, CertificateRecord, Creation, CrlParts, CrlScope, Service, Settings};
use mdm_core::crypto::{DigestAlgorithm, KeyKind, Provider, SigningKey as _, SoftwareKey};
use mdm_core::time::Timestamp;
use mdm_core::x509::ocsp::{CertId, Issuer, LIMITS, Nonce, Request, RequestTemplate};
use mdm_core::x509::{RevocationReason, RevokedEntry, SerialNumber};

use crate::Result;
use crate::desk::{Desk, Host, Tally};
use crate::device::{BEGINNING, Place};
use crate::kept::AUTHORITY;

/// In how many parts its lists come.
pub const PARTS: u32 = 64;
/// Certificates that are asked about over OCSP.
const ASKED: usize = 2_000;

/// Its keys, on P-256.
pub struct Keys {
    pub authority: SoftwareKey,
    pub ocsp: SoftwareKey,
}

/// Makes the authority, with lists in parts and deltas.
pub fn begin(host: &mut impl Host, tally: &mut Tally, provider: &Provider) -> Result<(Authority, Keys)> {
    let key = || provider.load(&provider.generate(KeyKind::P256)?);
    let keys = Keys { authority: key()?, ocsp: key()? };
    let settings = Settings {
        crl_parts: Some(CrlParts { count: PARTS, uri: "http://mdm.example.com/crl/{key}/{part}".into() }),
        delta_crl_uri: Some("http://mdm.example.com/delta/{key}/{part}".into()),
        ..Settings::default()
    };
    let creation = Creation::new(AUTHORITY, "Example Inc.", keys.authority.public_key().clone());
    let creation = creation.service(Service::Ocsp, keys.ocsp.public_key().clone()).settings(settings);
    let mut change = Authority::create(&creation, BEGINNING, provider)?;
    let authority = tally.message("the authority is made", |book| {
        loop {
            book.decide(host, |desk| desk.keep(&change))?;
            match change.record.to_be_signed(BEGINNING, provider)? {
                Some(next) => change = next.sign_with(&keys.authority)?,
                None => return Ok(change.record),
            }
        }
    })?;
    Ok((authority, keys))
}

/// A list, and what it took.
pub struct List {
    pub name: &'static str,
    pub entries: u64,
    pub bytes: u64,
    /// Seconds to read every record, and to encode and sign the list.
    pub reading: f64,
    pub making: f64,
}

/// What the authority hands out.
pub struct Lists {
    pub lists: Vec<List>,
    /// An answer that was made in advance, in bytes, and how many one thread makes in a second.
    pub prepared_bytes: u64,
    pub prepared_per_second: f64,
}

/// Makes the lists an hour after the last device; some of the renewed are revoked then; another hour later comes the delta.
pub fn lists(
    host: &mut impl Host,
    tally: &mut Tally,
    place: &Place,
    renewed: &[SerialNumber],
    last: Timestamp,
) -> Result<Lists> {
    let key = place.authority.active()?.key.clone();
    let full = CrlScope::full(key.clone());
    let now = last.plus_seconds(3_600);
    let mut lists = vec![
        full_list(host, tally, place, "whole", &full, now)?,
        full_list(host, tally, place, "one part of 64", &CrlScope::part(key, 0), now)?,
    ];
    // As many as one hour in twenty-four has.
    for serial in renewed.iter().step_by(24) {
        tally.message("an operator revokes", |book| {
            book.decide(host, |desk| {
                let record = desk.load::<CertificateRecord>(&serial.to_string())?.ok_or("the certificate is not there")?;
                desk.keep(&record.revoke(RevocationReason::KeyCompromise, None, now.plus_seconds(1_800))?)
            })
        })?;
    }
    lists.push(delta_list(host, tally, place, &full, now.plus_seconds(3_600))?);
    let (prepared_bytes, prepared_per_second) = answers(host, tally, place, now.plus_seconds(7_200))?;
    Ok(Lists { lists, prepared_bytes, prepared_per_second })
}

fn load(desk: &mut impl Desk) -> Result<Authority> {
    Ok(desk.load(AUTHORITY)?.ok_or("the authority is not there")?)
}

fn full_list(
    host: &mut impl Host,
    tally: &mut Tally,
    place: &Place,
    name: &'static str,
    scope: &CrlScope,
    now: Timestamp,
) -> Result<List> {
    tally.message("a list is made", |book| {
        let planned = book.decide(host, |desk| {
            let planned = load(desk)?.plan_crl(scope, now)?;
            desk.keep(&planned)?;
            Ok(planned.record)
        })?;
        let previous = planned.last_crl(scope).map(|last| last.this_update);
        let (entries, reading) = read(host, |record| record.crl_entry(scope, previous))?;
        let begun = Instant::now();
        let count = entries.len() as u64;
        let issued = planned.crl(scope, entries, &place.provider)?.sign_with(&place.keys.authority)?;
        let making = begun.elapsed().as_secs_f64();
        book.decide(host, |desk| desk.keep(&issued.change))?;
        Ok(List { name, entries: count, bytes: issued.crl.as_der().len() as u64, reading, making })
    })
}

fn delta_list(host: &mut impl Host, tally: &mut Tally, place: &Place, scope: &CrlScope, now: Timestamp) -> Result<List> {
    tally.message("a delta list is made", |book| {
        let planned = book.decide(host, |desk| {
            let planned = load(desk)?.plan_delta_crl(scope, now)?;
            desk.keep(&planned)?;
            Ok(planned.record)
        })?;
        let base = planned.planned_crl(scope).and_then(|plan| plan.base).ok_or("no delta list was planned")?;
        let (entries, reading) = read(host, |record| record.delta_crl_entry(scope, &base))?;
        let begun = Instant::now();
        let count = entries.len() as u64;
        let delta = planned.delta_crl(scope, entries, &place.provider)?.sign_with(&place.keys.authority)?;
        let making = begun.elapsed().as_secs_f64();
        Ok(List { name: "delta of an hour", entries: count, bytes: delta.as_der().len() as u64, reading, making })
    })
}

/// What stands on a list, from every record; and the seconds for that.
fn read(host: &mut impl Host, entry: impl Fn(&CertificateRecord) -> Option<RevokedEntry>) -> Result<(Vec<RevokedEntry>, f64)> {
    let begun = Instant::now();
    let mut entries = Vec::new();
    host.each(AUTHORITY, |record: CertificateRecord| {
        entries.extend(entry(&record));
        Ok(())
    })?;
    Ok((entries, begun.elapsed().as_secs_f64()))
}

/// Answers about some certificates, each when it is asked, with its nonce; then in advance.
fn answers(host: &mut impl Host, tally: &mut Tally, place: &Place, now: Timestamp) -> Result<(u64, f64)> {
    let mut records = Vec::new();
    host.each(AUTHORITY, |record: CertificateRecord| {
        if records.len() < ASKED {
            records.push(record);
        }
        Ok(())
    })?;
    let authority = host.decide(|desk| load(desk))?;
    let (provider, responder) = (&place.provider, authority.responder(&place.provider)?);
    let issuer = Issuer::of(authority.certificate()?, provider);
    for record in &records {
        let ids = vec![CertId::new(DigestAlgorithm::Sha1, &issuer, record.serial())];
        let body = RequestTemplate { ids, nonce: Some(Nonce::new(provider.random_bytes()?)) }.to_der()?;
        tally.message("an OCSP request", |book| {
            let request = Request::from_der(&body, &LIMITS)?;
            let unsigned = book.decide(host, |desk| {
                let found = desk.load::<CertificateRecord>(&record.serial().to_string())?;
                Ok(responder.answer(&request, |_| found.clone(), now, provider)?)
            })?;
            unsigned.sign_with(&place.keys.ocsp)?;
            Ok(())
        })?;
    }
    let begun = Instant::now();
    let mut bytes = 0;
    for record in &records {
        let prepared = responder.prepare(record, DigestAlgorithm::Sha1, now, provider)?.sign_with(&place.keys.ocsp)?;
        bytes = bytes.max(prepared.as_der().len() as u64);
    }
    Ok((bytes, records.len() as f64 / begun.elapsed().as_secs_f64()))
}
