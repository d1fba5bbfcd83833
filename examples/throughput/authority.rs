//! What an authority does: certificates, revocation lists, OCSP answers.

use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mdm_core::ca::{Authority, Creation, CrlScope, IssuanceRequest, Profile, Service};
use mdm_core::crypto::{DigestAlgorithm, Legacy, Provider, SigningKey, SoftwareKey};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::ocsp::{CertId, Issuer, LIMITS, Nonce, Request, RequestTemplate, ResponderId, ResponseTemplate, Status};
use mdm_core::x509::{Csr, CsrTemplate, KeyIdentifier, Name, RevocationReason, RevokedEntry, SerialNumber};

use crate::Result;
use crate::counted::Counted;
use crate::measure::Workload;

/// Whose key.
#[derive(Clone, Copy)]
pub enum Owner {
    /// An authority with RSA-2048.
    Authority,
    /// An authority on P-256.
    AuthorityOnP256,
    /// The SCEP service, RSA-2048.
    Registration,
    /// A device, RSA-2048.
    Device,
}

/// A key of the tests: always the same, so that two runs do the same work, and begin at once.
pub fn key(provider: &Provider, owner: Owner) -> Result<Counted<SoftwareKey>> {
    let pem = match owner {
        Owner::Authority => include_str!("../../tests/data/scep/ca.key"),
        Owner::AuthorityOnP256 => include_str!("../../tests/data/scep/ec.key"),
        Owner::Registration => include_str!("../../tests/data/scep/ra.key"),
        Owner::Device => include_str!("../../tests/data/scep/device.key"),
    };
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    Ok(Counted(provider.load(&Secret::new(STANDARD.decode(body)?))?))
}

/// An authority with this key; and with a SCEP service, when there is a key for it.
pub fn create(
    provider: &Provider,
    key: &Counted<SoftwareKey>,
    scep: Option<&Counted<SoftwareKey>>,
    now: Timestamp,
) -> Result<Authority> {
    let mut creation = Creation::new("builtin", "Example Inc.", SigningKey::public_key(key).clone());
    if let Some(scep) = scep {
        creation = creation.service(Service::Scep, SigningKey::public_key(scep).clone());
    }
    let mut authority = Authority::create(&creation, now, provider)?.record;
    while let Some(next) = authority.to_be_signed(now, provider)? {
        authority = next.sign_with(key)?.record;
    }
    Ok(authority)
}

/// A device's request, signed by its key.
pub fn request(provider: &Provider, key: &Counted<SoftwareKey>, challenge: Option<&str>) -> Result<Csr> {
    let name = Name::builder().organization("Example Inc.").common_name("00008150-000A1B2C3D4E5F60").build()?;
    let mut template = CsrTemplate::new(name, SigningKey::public_key(key).clone());
    template.challenge = challenge.map(Into::into);
    Ok(template.to_be_signed(key.algorithm(), provider)?.sign_with(key)?)
}

/// A certificate reserved and signed.
pub fn issue(provider: &Provider, authority: Owner, now: Timestamp) -> Result<Workload> {
    let provider = *provider;
    let ca_key = key(&provider, authority)?;
    let authority = create(&provider, &ca_key, None, now)?;
    let csr = request(&provider, &key(&provider, Owner::Device)?, None)?.verify(&provider, Legacy::NONE)?;
    let profile = Profile::device_identity();
    let operation = move || {
        let reserved = authority.reserve(&IssuanceRequest::new(&csr, "transaction", &profile), None, now, &provider)?;
        let issued = reserved.sign_with(&ca_key)?;
        black_box(issued.record.certificate().ok_or("the certificate was not signed")?);
        Ok(())
    };
    Ok(Workload { input: 0, operation: Box::new(operation) })
}

/// Entries of the revocation list.
const REVOKED: u32 = 1_000_000;

/// A large revocation list.
pub fn crl(provider: &Provider, now: Timestamp) -> Result<Workload> {
    let provider = *provider;
    let ca_key = key(&provider, Owner::Authority)?;
    let authority = create(&provider, &ca_key, None, now)?;
    let scope = CrlScope::full(authority.active()?.key.clone());
    let operation = move || {
        let planned = authority.plan_crl(&scope, now)?.record;
        // As from a database's cursor: one after the other, none kept.
        let entries = (0..REVOKED).filter_map(|number| revoked(number, now));
        let issued = planned.crl(&scope, entries, &provider)?.sign_with(&ca_key)?;
        if issued.crl.as_der().len() < 20 * 1_000_000 {
            return Err("the list is too short for its entries".into());
        }
        Ok(())
    };
    Ok(Workload { input: 0, operation: Box::new(operation) })
}

/// An entry with a serial number of sixteen octets, as the authority's are.
fn revoked(number: u32, now: Timestamp) -> Option<RevokedEntry> {
    let mut serial = [0x5A; 16];
    for (slot, octet) in serial.iter_mut().zip(number.wrapping_mul(0x9E37_79B1).to_be_bytes()) {
        *slot = octet;
    }
    serial[0] = serial[0] & 0x7F | 0x40;
    serial[4] = (number & 1) as u8;
    let entry = RevokedEntry::new(SerialNumber::from_bytes(&serial).ok()?, now.plus_seconds(-i64::from(number)));
    Some(if number.is_multiple_of(3) { entry } else { entry.because(RevocationReason::Superseded) })
}

/// An OCSP request answered.
pub fn ocsp(provider: &Provider, now: Timestamp) -> Result<Workload> {
    let provider = *provider;
    let ca_key = key(&provider, Owner::AuthorityOnP256)?;
    let authority = create(&provider, &ca_key, None, now)?;
    let issuer = Issuer::of(authority.certificate()?, &provider);
    let responder = ResponderId::Key(KeyIdentifier::of(SigningKey::public_key(&ca_key), &provider));
    let known = SerialNumber::random(provider.random)?;
    let ids = vec![CertId::new(DigestAlgorithm::Sha1, &issuer, known)];
    let body = RequestTemplate { ids, nonce: Some(Nonce::new(provider.random_bytes()?)) }.to_der()?;
    let input = body.len();
    let operation = move || {
        let request = Request::from_der(&body, &LIMITS)?;
        let status = |serial: &SerialNumber| if *serial == known { Status::Good } else { Status::NeverIssued };
        let template = ResponseTemplate::answering(&request, &issuer, responder.clone(), now, now.plus_days(1), status);
        let unsigned = template.to_be_signed(SigningKey::public_key(&ca_key), ca_key.algorithm(), &provider)?;
        black_box(unsigned.sign_with(&ca_key)?.as_der());
        Ok(())
    };
    Ok(Workload { input, operation: Box::new(operation) })
}
