//! Identities that owe a renewal: because the authority was renewed, or because they end soon.
//!
//! A device renews when it installs its enrollment profile anew; it is told to at its next contact, once for each certificate.

use mdm_core::ca::{CertificateRecord, RenewalPolicy};
use mdm_core::command::{Command, InstallProfile};
use mdm_core::enrollment::Enrollment;

use super::records::keep_enrollment;
use super::{commands, profile};
use crate::authority;
use crate::failure::Failure;
use crate::host::{Host, now};
use crate::scep::challenge::Ingredients;
use crate::store::{Batch, Stored as _};

/// Days within which an `Authenticate` of the device is taken for the renewal that it was told to make.
const EXPECTED_DAYS: i64 = 7;

/// Queues the profile when the device's certificate owes a renewal and it was not told yet. Gives the enrollment as it is then.
pub fn ask_if_due(
    host: &Host,
    batch: &mut Batch<'_>,
    enrollment: Enrollment,
    record: &CertificateRecord,
) -> Result<Enrollment, Failure> {
    let authority = authority::load(batch)?;
    let due = authority.renewal_due(record, &RenewalPolicy::default(), now());
    let (Some(due), None) = (due, batch.linked("renewal", &record.key())?) else { return Ok(enrollment) };
    let payload = profile::make(host, batch, enrollment.tenant(), &Ingredients::default())?;
    let install = InstallProfile { payload: Some(payload), ..InstallProfile::default() };
    let command = Command::new(commands::uuid(host)?, install);
    batch.link("renewal", &record.key(), command.uuid.as_str())?;
    batch.log(format!("renewal: {} is told to renew {}: {due:?}", enrollment.id(), record.serial()));
    let expected = enrollment.expect_renewal(now().plus_days(EXPECTED_DAYS), now());
    let enrollment = match expected {
        Some(expected) => {
            keep_enrollment(batch, &expected)?;
            expected.record
        }
        None => enrollment,
    };
    commands::enqueue(batch, &enrollment, &command)?;
    Ok(enrollment)
}
