//! Enrollments and commands in the database.

use mdm_core::ca::CertificateRecord;
use mdm_core::enrollment::{Enrollment, Fingerprint, QueuedCommand};
use mdm_core::id::{CommandUuid, EnrollmentId, Revision, TenantId};
use mdm_core::record::{Change, Record};
use mdm_core::x509::{Certificate, RevocationReason};

use crate::authority;
use crate::failure::Failure;
use crate::host::{Host, now};
use crate::records::keep_ca;
use crate::store::{Batch, Stored};

/// Under what an enrollment is stored. Each tenant has its own: a device that moves from one to another is another enrollment.
pub fn enrollment_key(tenant: &TenantId, id: &EnrollmentId) -> String {
    format!("{tenant} {id}")
}

/// Under what a command is stored.
pub fn command_key(tenant: &TenantId, id: &EnrollmentId, uuid: &CommandUuid) -> String {
    format!("{} {uuid}", enrollment_key(tenant, id))
}

impl Stored for Enrollment {
    const KIND: &'static str = "enrollment";

    fn key(&self) -> String {
        enrollment_key(self.tenant(), self.id())
    }

    fn revision(&self) -> Revision {
        Record::revision(self)
    }

    /// The device, so that a device's channels are found together.
    fn owner(&self) -> String {
        enrollment_key(self.tenant(), &self.id().device())
    }

    /// The topic that it listens on, so that enrollments are counted by topic without reading one.
    fn alias(&self) -> Option<String> {
        self.binding().map(|binding| topic_alias(self.tenant(), binding.topic().as_str()))
    }
}

/// The second key of all enrollments of a tenant that listen on a topic.
pub fn topic_alias(tenant: &TenantId, topic: &str) -> String {
    format!("{tenant} {topic}")
}

impl Stored for QueuedCommand {
    const KIND: &'static str = "command";

    fn key(&self) -> String {
        command_key(self.tenant(), self.enrollment(), self.uuid())
    }

    fn revision(&self) -> Revision {
        Record::revision(self)
    }

    fn owner(&self) -> String {
        enrollment_key(self.tenant(), self.enrollment())
    }

    fn place(&self) -> Option<Vec<u8>> {
        self.state().is_open().then(|| self.rank().to_bytes().to_vec())
    }
}

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
