//! Enrollments in the database: what they are found by, and their certificates.

use mdm_core::ca::CertificateRecord;
use mdm_core::enrollment::{Enrollment, Fingerprint};
use mdm_core::record::Change;
use mdm_core::x509::{Certificate, RevocationReason};

use crate::authority;
use crate::failure::Failure;
use crate::host::{Host, now};
use crate::records::keep_ca;
use crate::store::{Batch, Stored};

/// Stores what happened to an enrollment, and what it is found by.
pub fn keep_enrollment(batch: &mut Batch<'_>, change: &Change<Enrollment>) -> Result<(), Failure> {
    batch.keep(change)?;
    let (record, key) = (&change.record, change.record.key());
    if change.events.is_empty() {
        return Ok(());
    }
    for identity in record.identity().iter().chain(record.announced_identities()) {
        batch.link("identity", &identity.to_string(), &key)?;
    }
    if let Some(binding) = record.binding() {
        batch.link("token", &binding.token().to_hex(), &key)?;
    }
    Ok(())
}

/// A certificate that no enrollment is bound to any more is revoked.
pub fn release_identity(host: &Host, batch: &mut Batch<'_>, fingerprint: Fingerprint) -> Result<(), Failure> {
    let Some(key) = batch.linked("fingerprint", &fingerprint.to_string())? else { return Ok(()) };
    let Some(record) = batch.load::<CertificateRecord>(&key)? else { return Ok(()) };
    // Revoked before is revoked still.
    if let Ok(revoked) = record.revoke(RevocationReason::Superseded, None, authority::revocation_moment(batch)?) {
        keep_ca(host, batch, &revoked)?;
        batch.log(format!("audit: certificate {} of {} revoked: superseded", record.serial(), record.subject()));
    }
    Ok(())
}

/// Tells the enrollment for which the old certificate speaks about its new one.
pub fn announce_renewal(host: &Host, batch: &mut Batch<'_>, old: &CertificateRecord, new: &Certificate) -> Result<(), Failure> {
    let Some(old) = old.certificate() else { return Ok(()) };
    let old = Fingerprint::of(old, &host.provider);
    let Some(key) = batch.linked("identity", &old.to_string())? else { return Ok(()) };
    let Some(enrollment) = batch.load::<Enrollment>(&key)? else { return Ok(()) };
    match enrollment.announce_identity(Fingerprint::of(new, &host.provider), now()) {
        Some(announced) => keep_enrollment(batch, &announced),
        None => Ok(()),
    }
}
