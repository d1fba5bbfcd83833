//! Push certificates: one for each tenant, two while it moves to another topic.
//!
//! The private keys are where all keys are, and the certificates beside them: the core's records need neither.

use mdm_core::crypto::{KeyKind, SignatureAlgorithm, SigningKey as _, SoftwareKey};
use mdm_core::id::{Revision, TenantId};
use mdm_core::push::{
    CertificateEffect, Descent, Environment, Error, NoticeSchedule, PushCertificate, Status, Topic, TopicChange,
};
use mdm_core::record::{Change, Record};
use mdm_core::secret::Secret;
use mdm_core::x509::{
    Certificate, CertificateTemplate, Csr, CsrTemplate, ExtendedKeyUsage, Extensions, Name, SerialNumber, Validity, oid,
};
use serde_json::json;

use super::waking;
use crate::failure::Failure;
use crate::host::{Host, hex, now};
use crate::kept::topic_alias;
use crate::store::{Batch, Stored, View};

impl Stored for PushCertificate {
    const KIND: &'static str = "push certificate";

    /// The key that it certifies: a certificate that has only been asked for has no other name.
    fn key(&self) -> String {
        let key = self.public_key().key_bits();
        // Its last octets: the end of the modulus, and the exponent.
        let end = key.len().saturating_sub(24);
        format!("{} {}", self.tenant(), hex(&key[end..]))
    }

    fn revision(&self) -> Revision {
        Record::revision(self)
    }

    fn owner(&self) -> String {
        self.tenant().to_string()
    }

    /// Those that can still be used or will be are looked at.
    fn place(&self) -> Option<Vec<u8>> {
        let status = self.status(&NoticeSchedule::default(), now());
        (!matches!(status, Status::Revoked | Status::Superseded)).then(Vec::new)
    }
}

/// Stores a decision and carries out its effects.
pub fn keep(host: &Host, batch: &mut Batch<'_>, change: &Change<PushCertificate>) -> Result<(), Failure> {
    batch.keep(change)?;
    let record = &change.record;
    for effect in &change.effects {
        match effect {
            CertificateEffect::CloseConnections(serial) => {
                if let Some(apns) = &host.apns {
                    apns.close(serial);
                }
            }
            // A paused or revoked certificate wakes nobody: what is owed stays owed.
            CertificateEffect::HoldPushes(topic) => batch.log(format!("push: topic {topic} is paused")),
            CertificateEffect::ReleasePushes(topic) => {
                waking::release(batch, record.tenant())?;
                record.shared_with().iter().try_for_each(|tenant| waking::release(batch, tenant))?;
                batch.log(format!("push: topic {topic} is pushed to again"));
            }
            CertificateEffect::AskForRenewal { tenant, not_after } => {
                let account = &record.descent().apple_account;
                batch.log(format!("notice: the push certificate of {tenant} ends at {not_after}; renew it as {account}"));
            }
        }
    }
    Ok(())
}

/// The certificates that a tenant may push with: its own, and those that others share with it.
pub fn of_tenant(view: &View<'_>, tenant: &TenantId) -> Result<Vec<PushCertificate>, Failure> {
    let mut found = view.list_open::<PushCertificate>(tenant.as_str())?;
    for (_, key) in view.links(&shared_with(tenant))? {
        let shared = view.load::<PushCertificate>(&key)?;
        found.extend(shared.filter(|certificate| certificate.shared_with().contains(tenant)));
    }
    Ok(found)
}

fn shared_with(tenant: &TenantId) -> String {
    format!("push certificate shared with {tenant}")
}

/// The topics that a tenant's devices may listen on, the newest first: profiles name the first.
pub fn topics(view: &View<'_>, tenant: &TenantId) -> Result<Vec<Topic>, Failure> {
    let certificates = of_tenant(view, tenant)?;
    let mut installed: Vec<_> = certificates.iter().filter_map(PushCertificate::installed).collect();
    installed.sort_by_key(|installed| std::cmp::Reverse(installed.at));
    Ok(installed.into_iter().map(|installed| installed.topic.clone()).collect())
}

/// How many enrollments of a tenant listen on a topic.
pub fn enrollments(view: &View<'_>, tenant: &TenantId, topic: &Topic) -> Result<u64, Failure> {
    let alias = topic_alias(tenant, topic.as_str());
    let counts = view.count_by_alias::<mdm_core::enrollment::Enrollment>()?;
    Ok(counts.into_iter().find(|(found, _)| *found == alias).map_or(0, |(_, count)| count))
}

/// The certificate itself, which a TLS library needs with its key.
pub fn pem(view: &View<'_>, record: &PushCertificate) -> Result<Option<String>, Failure> {
    let Some(installed) = record.installed() else { return Ok(None) };
    let stored = view.secret(&pem_name(record, &installed.serial))?;
    Ok(stored.and_then(|pem| String::from_utf8(pem).ok()))
}

fn pem_name(record: &PushCertificate, serial: &SerialNumber) -> String {
    format!("push certificate {} {serial}", record.tenant())
}

fn keep_pem(batch: &mut Batch<'_>, record: &PushCertificate, certificate: &Certificate) -> Result<(), Failure> {
    Ok(batch.put_secret(&pem_name(record, certificate.serial()), certificate.to_pem().as_bytes())?)
}

/// A tenant asks Apple for a certificate: a key is made and stored, and the request is what the vendor signs.
pub fn request(host: &Host, batch: &mut Batch<'_>, tenant: &TenantId, descent: Descent) -> Result<Csr, Failure> {
    let key = host.keys.make(batch, KeyKind::Rsa(2048))?;
    let public = SoftwareKey::public_key(&key).clone();
    let name = Name::builder().country("US").organization("Example").common_name(tenant.as_str()).build();
    let template = CsrTemplate::new(name.map_err(Failure::internal)?, public.clone());
    let unsigned = template.to_be_signed(SignatureAlgorithm::RsaSha256, &host.provider).map_err(Failure::internal)?;
    let csr = unsigned.sign_with(&*key)?;
    keep(host, batch, &PushCertificate::request(tenant.clone(), descent, public))?;
    batch.log(format!("push: a certificate for {tenant} was requested"));
    Ok(csr)
}

/// Installs what came from Apple. It belongs to the request that has its key; or its key comes along. When the tenant has a
/// certificate in use, that one is renewed: another topic is refused, unless nobody listens on the old one or the operator wants
/// every device to enroll again.
pub fn install(
    host: &Host,
    batch: &mut Batch<'_>,
    tenant: &TenantId,
    certificate: &Certificate,
    key: Option<&Secret>,
    descent: Descent,
    reenroll: bool,
) -> Result<(), Failure> {
    if let Some(key) = key {
        host.keys.keep(batch, key)?;
        if awaited(batch, tenant, certificate)?.is_none() {
            keep(host, batch, &PushCertificate::request(tenant.clone(), descent, certificate.public_key().clone()))?;
        }
    }
    let request = awaited(batch, tenant, certificate)?.ok_or_else(|| {
        Failure::conflict("no request awaits a certificate for this key; send the key along if it is from elsewhere")
    })?;
    let environment = Environment::of_certificate(certificate);
    let in_use = batch.list_open::<PushCertificate>(tenant.as_str())?;
    let mut in_use: Vec<_> = in_use.iter().filter_map(|found| found.installed().map(|installed| (found, installed))).collect();
    // A certificate with the same topic is the one to renew, else the newest.
    let new_topic = Topic::of_subject(certificate.subject()).map_err(Failure::bad_request)?;
    in_use.sort_by_key(|(_, installed)| (installed.topic == new_topic, installed.at));
    let installed = match in_use.last() {
        None => request.install(certificate, environment, now()).map_err(|error| refused(&error))?,
        Some((current, old)) => {
            let listening = enrollments(batch, tenant, &old.topic)?;
            let choice = if reenroll || listening == 0 { TopicChange::ReenrollDevices } else { TopicChange::Refuse };
            let renewal = current.renew(&request, certificate, listening, choice, now()).map_err(|error| refused(&error))?;
            if let Some(predecessor) = &renewal.predecessor {
                keep(host, batch, predecessor)?;
            } else if listening == 0 {
                // Nobody can be lost with it.
                current.revoke(now()).iter().try_for_each(|given_up| keep(host, batch, given_up))?;
            }
            renewal.successor
        }
    };
    keep(host, batch, &installed)?;
    for other in installed.record.shared_with() {
        batch.link(&shared_with(other), &installed.record.key(), &installed.record.key())?;
    }
    keep_pem(batch, &installed.record, certificate)?;
    batch.log(format!("audit: push certificate {} of {tenant} installed for {new_topic}", certificate.serial()));
    Ok(())
}

/// The request of a tenant that awaits a certificate for this key.
fn awaited(view: &View<'_>, tenant: &TenantId, certificate: &Certificate) -> Result<Option<PushCertificate>, Failure> {
    let open = view.list_open::<PushCertificate>(tenant.as_str())?;
    Ok(open.into_iter().find(|found| found.installed().is_none() && found.public_key() == certificate.public_key()))
}

/// Why a certificate is not taken, with the numbers where devices would be lost.
fn refused(error: &Error) -> Failure {
    let refused = Failure::conflict(error);
    match error {
        Error::TopicConflict { current, found, stranded } => refused.with_detail(json!({
            "error": error.to_string(),
            "conflict": { "current": current.as_str(), "found": found.as_str(), "stranded": stranded },
        })),
        _ => refused.with_detail(json!({ "error": error.to_string() })),
    }
}

/// Lets these tenants use a certificate, and no others.
pub fn share(host: &Host, batch: &mut Batch<'_>, record: &PushCertificate, with: Vec<TenantId>) -> Result<(), Failure> {
    let policy = mdm_core::push::SharingPolicy { owner: record.tenant().clone(), with: with.into_iter().collect() };
    let Some(decision) = record.share(&policy).map_err(Failure::conflict)? else { return Ok(()) };
    keep(host, batch, &decision)?;
    for tenant in decision.record.shared_with() {
        batch.link(&shared_with(tenant), &decision.record.key(), &decision.record.key())?;
    }
    batch.log(format!("audit: the push certificate of {} is shared with {:?}", record.tenant(), decision.record.shared_with()));
    Ok(())
}

/// A push certificate made for the example. Apple's APNs takes no other than the one that identity.apple.com made for the customer.
pub fn make_example(host: &Host, batch: &mut Batch<'_>, tenant: &TenantId) -> Result<(), Failure> {
    let provider = &host.provider;
    let key = host.keys.make(batch, KeyKind::Rsa(2048))?;
    let public = SoftwareKey::public_key(&key).clone();
    let uuid = hex(&provider.random_bytes::<16>()?);
    let topic = format!("com.apple.mgmt.External.{uuid}");
    let name = Name::builder().user_id(topic).common_name(format!("APSP:{uuid}")).country("US").build();
    let subject = name.map_err(Failure::internal)?;
    let template = CertificateTemplate {
        serial: SerialNumber::random(provider.random).map_err(Failure::internal)?,
        issuer: subject.clone(),
        subject,
        validity: Validity { not_before: now().plus_days(-1), not_after: now().plus_days(365) },
        public_key: public.clone(),
        extensions: Extensions::new().with(&ExtendedKeyUsage::new(&[oid::CLIENT_AUTH])),
        authority_key_identifier: None,
    };
    let unsigned = template.to_be_signed(&public, SignatureAlgorithm::RsaSha256, provider).map_err(Failure::internal)?;
    let certificate = unsigned.sign_with(&*key)?;
    let descent = Descent {
        developer_account: "example".into(),
        vendor_certificate: "example".into(),
        apple_account: format!("push@{tenant}.example").as_str().into(),
    };
    let adopted = PushCertificate::adopt(tenant.clone(), descent, &certificate, &public, Environment::Production, now());
    let adopted = adopted.map_err(Failure::internal)?;
    keep(host, batch, &adopted)?;
    keep_pem(batch, &adopted.record, &certificate)
}
