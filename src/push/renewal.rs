//! Installing what Apple issued, renewing it without a gap, and sharing it by name.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::certificate::{CertificateEffect, CertificateEvent, Installed, PushCertificate};
use super::{Environment, Error};
use crate::id::TenantId;
use crate::record::Change;
use crate::time::Timestamp;
use crate::x509::Certificate;

/// What a host says to a certificate that has another topic than the one it was to renew.
///
/// At identity.apple.com, "Renew" keeps the topic and "Create" makes a new one. Devices listen on the topic they enrolled with;
/// pushes on another are taken by APNs and dropped, with no error anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicChange {
    /// Refused, with the number of enrollments it would strand.
    #[default]
    Refuse,
    /// Both certificates are used, each for the devices of its topic, until every device has enrolled again. Only a host that is
    /// ready for that says so.
    ReenrollDevices,
}

/// A renewal: the successor is in use, and the predecessor no longer when both have one topic. Both are stored in one transaction,
/// so that there is no moment without a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Renewal {
    /// The certificate that was asked for, now installed.
    pub successor: Change<PushCertificate>,
    /// The one that it replaces. `None` when the topic is another and both stay in use.
    pub predecessor: Option<Change<PushCertificate>>,
}

/// The host's word that several tenants use one push certificate.
///
/// When Apple revokes it, all of them lose their devices at once, and none can leave without enrolling every device again. Nothing
/// in this crate shares a certificate by itself; every report of an [`Estate`](super::Estate) names those that are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "a host writes it out")]
pub struct SharingPolicy {
    /// The tenant whose certificate it is.
    pub owner: TenantId,
    /// Every other tenant that may use it.
    pub with: BTreeSet<TenantId>,
}

impl PushCertificate {
    /// Installs the certificate that Apple issued for this request, when it renews none.
    ///
    /// # Errors
    /// As [`Installed::check`]; [`Error::NotRequested`] when this record does not wait for one.
    pub fn install(&self, certificate: &Certificate, environment: Environment, now: Timestamp) -> Result<Change<Self>, Error> {
        if !self.is_requested() {
            return Err(Error::NotRequested);
        }
        let installed = Installed::check(certificate, self.public_key(), environment, now)?;
        let release = CertificateEffect::ReleasePushes(installed.topic.clone());
        Ok(self.decide(CertificateEvent::Installed(installed), vec![release]))
    }

    /// Installs the certificate that Apple issued for the request `successor`, in place of this one. `enrollments` is how many
    /// enrollments listen on this certificate's topic now.
    ///
    /// # Errors
    /// As [`PushCertificate::install`]; [`Error::TopicConflict`] when the new certificate has another topic and `choice` does not
    /// allow that; [`Error::OtherTenant`] when the two records are of different tenants; [`Error::NotInstalled`] when this one was
    /// never issued or has been replaced or revoked already.
    pub fn renew(
        &self,
        successor: &PushCertificate,
        certificate: &Certificate,
        enrollments: u64,
        choice: TopicChange,
        now: Timestamp,
    ) -> Result<Renewal, Error> {
        if self.tenant() != successor.tenant() {
            return Err(Error::OtherTenant);
        }
        let current = self.in_use().ok_or(Error::NotInstalled)?;
        let successor = successor.install(certificate, current.environment, now)?;
        let Some(new) = successor.record.installed() else { return Err(Error::NotRequested) };
        if new.topic != current.topic {
            return match choice {
                TopicChange::ReenrollDevices => Ok(Renewal { successor, predecessor: None }),
                TopicChange::Refuse => Err(Error::TopicConflict {
                    current: current.topic.clone(),
                    found: new.topic.clone(),
                    stranded: enrollments,
                }),
            };
        }
        let by = new.serial;
        let close = CertificateEffect::CloseConnections(current.serial);
        let predecessor = self.decide(CertificateEvent::Superseded { at: now, by }, vec![close]);
        // Who shared the old certificate shares the new one: their devices listen on the same topic.
        let successor = match self.shared_with() {
            with if with.is_empty() => successor,
            with => successor.and_then(|record| record.then(CertificateEvent::Shared { with: with.clone() }, Vec::new())),
        };
        Ok(Renewal { successor, predecessor: Some(predecessor) })
    }

    /// Lets the tenants that the policy names use this certificate, and no others. `None` when that is so already.
    ///
    /// # Errors
    /// [`Error::OtherTenant`] when the policy is about another tenant's certificate.
    pub fn share(&self, policy: &SharingPolicy) -> Result<Option<Change<PushCertificate>>, Error> {
        if policy.owner != *self.tenant() {
            return Err(Error::OtherTenant);
        }
        let with: BTreeSet<TenantId> = policy.with.iter().filter(|tenant| **tenant != policy.owner).cloned().collect();
        if with == *self.shared_with() {
            return Ok(None);
        }
        Ok(Some(self.decide(CertificateEvent::Shared { with }, Vec::new())))
    }
}
