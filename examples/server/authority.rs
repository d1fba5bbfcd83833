//! The built-in certificate authority: made without configuration, and recovered after a crash.
//!
//! One authority serves all tenants. Every certificate says in its record whose it is, and is worth nothing at another tenant's door.

use mdm_core::ca::{Authority, CertificateRecord, Creation, Service};
use mdm_core::crypto::{KeyKind, SigningKey as _};
use mdm_core::enrollment::Fingerprint;
use mdm_core::id::TenantId;
use mdm_core::record::Change;
use mdm_core::time::Timestamp;
use mdm_core::x509::{Certificate, Standing};

use crate::failure::{Failure, again};
use crate::host::{Host, now};
use crate::kept::{AUTHORITY, is_unsigned};
use crate::mdm;
use crate::records::keep_ca;
use crate::store::{Batch, Stored as _, View};

/// With how many certificates a registration authority answers SCEP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Registration {
    /// One that signs and one that devices encrypt to: some clients take the second only when it can do nothing else.
    Two,
    /// One that does both.
    One,
}

impl Registration {
    const fn services(self) -> &'static [Service] {
        match self {
            Registration::Two => &[Service::ScepSigning, Service::ScepEncryption],
            Registration::One => &[Service::Scep],
        }
    }
}

/// The authority as it is stored.
pub fn load(view: &View<'_>) -> Result<Authority, Failure> {
    view.load::<Authority>(AUTHORITY)?.ok_or_else(|| Failure::internal("the authority is not in the database"))
}

/// The certificates with which SCEP is answered: the one that signs, and the one that devices encrypt to. `of` gives the
/// certificate of a service.
pub fn registration<'a>(
    of: impl Fn(Service) -> Option<&'a Certificate>,
) -> Result<(&'a Certificate, &'a Certificate), Failure> {
    let two = of(Service::ScepSigning).zip(of(Service::ScepEncryption));
    let found = two.or_else(|| of(Service::Scep).map(|both| (both, both)));
    found.ok_or_else(|| Failure::internal("the authority has no certificate for SCEP"))
}

/// Creates the authority unless it is there, and signs what of its own certificates is not signed yet.
pub fn create(host: &Host) -> Result<(), Failure> {
    host.store.decide(|batch| {
        if batch.load::<Authority>(AUTHORITY)?.is_some() {
            return Ok(());
        }
        if let Some(backup) = &host.config.restore {
            return backup.restore(host, batch);
        }
        let mut key = || Ok::<_, Failure>(host.keys.make(batch, KeyKind::Rsa(2048))?.as_ref().public_key().clone());
        let mut creation = Creation::new(AUTHORITY, "Example", key()?).service(Service::Ocsp, key()?);
        // What devices encrypt to is another key than the one that signs certificates.
        for service in host.config.registration.services() {
            creation = creation.service(*service, key()?);
        }
        let created = Authority::create(&creation, now(), &host.provider)?;
        keep_ca(host, batch, &created)
    })?;
    sign_own(host)
}

/// Signs the authority's own certificates that are planned, each with the key that it names.
pub fn sign_own(host: &Host) -> Result<(), Failure> {
    while again(|| sign_next(host))? {}
    Ok(())
}

/// Signs one of them, when there is one.
fn sign_next(host: &Host) -> Result<bool, Failure> {
    let planned = host.store.read(|view| {
        let Some(next) = load(view)?.to_be_signed(now(), &host.provider)? else { return Ok::<_, Failure>(None) };
        let key = host.keys.of(view, next.public_key())?;
        Ok(Some((next, key)))
    })?;
    let Some((next, key)) = planned else { return Ok(false) };
    let signed = next.sign_with(&*key)?;
    host.store.decide(|batch| keep_ca(host, batch, &signed))?;
    Ok(true)
}

/// Finishes what a crash cut off: every certificate that is reserved is signed from its stored bytes. What another node has in its hands
/// right now may be among them: whoever stores it last decides again, and finds it signed.
pub fn recover(host: &Host) -> Result<(), Failure> {
    let unsigned = host.store.read(|view| view.list_open::<CertificateRecord>(AUTHORITY).map_err(Failure::from))?;
    unsigned.iter().try_for_each(|record| host.store.decide(|batch| finish(host, batch, &record.key())))
}

fn finish(host: &Host, batch: &mut Batch<'_>, key: &str) -> Result<(), Failure> {
    let Some(record) = batch.load::<CertificateRecord>(key)?.filter(is_unsigned) else { return Ok(()) };
    let authority = load(batch)?;
    let key = host.keys.of(batch, authority.active()?.certificate.public_key())?;
    match authority.resume(&record, now(), &host.provider).and_then(|reserved| reserved.sign_with(&*key)) {
        Ok(signed) => {
            keep_issued(host, batch, &signed)?;
            batch.log(format!("recovered: certificate {} was reserved and is signed now", record.serial()));
        }
        // Its key is not in use any more, or its time is over: nobody gets it.
        Err(error) => {
            keep_ca(host, batch, &record.abandon(now())?)?;
            batch.log(format!("recovered: certificate {} was reserved and is given up: {error}", record.serial()));
        }
    }
    Ok(())
}

/// Stores an issued certificate and what it is found by; tells the enrollment whose certificate it renews.
pub fn keep_issued(host: &Host, batch: &mut Batch<'_>, issued: &Change<CertificateRecord>) -> Result<(), Failure> {
    keep_ca(host, batch, issued)?;
    let Some(certificate) = issued.record.certificate() else { return Ok(()) };
    let fingerprint = Fingerprint::of(certificate, &host.provider);
    batch.link("fingerprint", &fingerprint.to_string(), &issued.record.key())?;
    let renews = issued.record.request().and_then(|request| request.renews).filter(|_| !issued.events.is_empty());
    let Some(serial) = renews else { return Ok(()) };
    match batch.load::<CertificateRecord>(&serial.to_string())? {
        Some(old) => mdm::announce_renewal(host, batch, &old, certificate),
        None => Ok(()),
    }
}

/// The record of a certificate that somebody has shown.
pub fn record_of(host: &Host, view: &View<'_>, certificate: &Certificate) -> Result<Option<CertificateRecord>, Failure> {
    let fingerprint = Fingerprint::of(certificate, &host.provider);
    let Some(key) = view.linked("fingerprint", &fingerprint.to_string())? else { return Ok(None) };
    // Only a certificate that is on record byte for byte is one of ours; a serial number proves nothing.
    Ok(view.load::<CertificateRecord>(&key)?.filter(|record| record.certificate() == Some(certificate)))
}

/// The moment to date a revocation with. A node whose clock is behind says that of the authority, so that the revocation is on every list
/// that comes after it.
pub fn revocation_moment(view: &View<'_>) -> Result<Timestamp, Failure> {
    Ok(now().max(load(view)?.latest()))
}

/// What a certificate is worth at a tenant's door.
pub fn standing(record: Option<&CertificateRecord>, tenant: &TenantId) -> Standing {
    match record {
        Some(record) if record.holder().tenant.as_ref() == Some(tenant) => record.standing(now()),
        _ => Standing::NotIssued,
    }
}
