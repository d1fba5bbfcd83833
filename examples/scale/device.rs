//! One device at this host: its certificate, its enrollment, a command, a renewal.

use mdm_core::ca::{Authority, CertificateRecord, Effect as CaEffect, Holder, IssuanceRequest, Profile};
use mdm_core::checkin::{Authenticate, CheckIn, TokenUpdate};
use mdm_core::command::{Command, DeviceInformation, DeviceInformationQueries, Report, ReportEnvelope, Status};
use mdm_core::crypto::{DigestAlgorithm, KeyKind, Legacy, Provider, SigningKey as _};
use mdm_core::enrollment::{Contact, Effect, Enrollment, Fingerprint, Identity, Outcome, QueuedCommand, Reply, Schedule};
use mdm_core::id::{CommandUuid, EnrollmentId, TenantId};
use mdm_core::push::{Topic, Waking};
use mdm_core::record::Change;
use mdm_core::time::Timestamp;
use mdm_core::x509::{Certificate, CsrTemplate, Name, ProvenCsr, RevocationReason, SerialNumber};

use crate::Result;
use crate::authority::Keys;
use crate::desk::{Desk, Host, Tally};
use crate::kept::{command_key, enrollment_key, transaction_alias};
use crate::store::Stored as _;

/// The moment at which the first device comes; twelve come in a second, a million in a day.
pub const BEGINNING: Timestamp = Timestamp::from_unix(1_800_000_000);

/// What is the same for all devices.
pub struct Place {
    pub authority: Authority,
    pub keys: Keys,
    pub provider: Provider,
    tenant: TenantId,
    topics: [Topic; 1],
    csr: ProvenCsr,
    profile: Profile,
}

impl Place {
    /// One tenant with one topic. All devices have the same key, since making one costs more than all the rest.
    pub fn new((authority, keys): (Authority, Keys), provider: Provider) -> Result<Place> {
        let device = provider.load(&provider.generate(KeyKind::Rsa(2048))?)?;
        let name = Name::builder().organization("Example Inc.").common_name("00008150-000A1B2C3D4E5F60").build()?;
        let csr = CsrTemplate::new(name, device.public_key().clone());
        let csr = csr.to_be_signed(device.algorithm(), &provider)?.sign_with(&device)?.verify(&provider, Legacy::NONE)?;
        Ok(Place {
            authority,
            keys,
            provider,
            tenant: TenantId::from("example"),
            topics: ["com.apple.mgmt.External.5e0a1b2c-0000-4000-8000-00805f9b34fb".parse()?],
            csr,
            profile: Profile::device_identity(),
        })
    }

    fn contact<'a>(&'a self, record: &'a CertificateRecord, fingerprint: Fingerprint, now: Timestamp) -> Contact<'a> {
        Contact::new(&self.tenant, &self.topics, Identity::new(fingerprint, record.standing(now)))
    }

    fn key_of(&self, id: &EnrollmentId) -> String {
        enrollment_key(&self.tenant, id)
    }
}

/// When a device comes.
pub fn moment(number: u32) -> Timestamp {
    BEGINNING.plus_seconds(i64::from(number / 12))
}

fn udid(number: u32) -> String {
    format!("{:08X}-{:016X}", number.wrapping_mul(0x9E37_79B1), u64::from(number) << 16)
}

/// A device's first hour: its certificate, its check-in, one command. Gives the certificate.
pub fn enrol(host: &mut impl Host, tally: &mut Tally, place: &Place, number: u32) -> Result<Certificate> {
    let (udid, now) = (udid(number), moment(number));
    let certificate = issue(host, tally, place, &format!("first {udid}"), None, now)?;
    let topic = place.topics.first().map(ToString::to_string);
    let authenticate = Authenticate {
        topic: topic.clone(),
        udid: Some(udid.clone()),
        device_name: Some("iPhone".into()),
        os_version: Some("27.0".into()),
        ..Authenticate::default()
    };
    check_in(host, tally, place, "Authenticate", &authenticate.into(), &certificate, now)?;
    let update = TokenUpdate {
        topic,
        udid: Some(udid.clone()),
        token: Some(place.provider.digest(DigestAlgorithm::Sha256, udid.as_bytes()).as_ref().to_vec().into()),
        push_magic: Some("3F7E1C4A-0B6D-4C0E-9E0A-7B8D5C2F1A90".into()),
        awaiting_configuration: Some(false),
        ..TokenUpdate::default()
    };
    check_in(host, tally, place, "TokenUpdate", &update.into(), &certificate, now)?;
    let uuid = CommandUuid::from(format!("{number:08X}-0000-4000-8000-00805F9B34FB").as_str());
    queue(host, tally, place, &udid, &uuid, now)?;
    let reply = report(host, tally, place, "Idle", &answer(&udid, Status::IDLE, None), &certificate, now)?;
    if !matches!(reply, Reply::Body(_)) {
        return Err("the device was to be handed its command".into());
    }
    let answered = answer(&udid, Status::ACKNOWLEDGED, Some(&uuid));
    match report(host, tally, place, "Acknowledged", &answered, &certificate, now)? {
        Reply::Empty => Ok(certificate),
        _ => Err("nothing was left to hand out".into()),
    }
}

/// A device renews this certificate and speaks under the new one; the old one is revoked with that. Gives the new one.
pub fn renew(host: &mut impl Host, tally: &mut Tally, place: &Place, number: u32, old: &Certificate) -> Result<Certificate> {
    let (udid, now) = (udid(number), moment(number));
    let certificate = issue(host, tally, place, &format!("next {udid}"), Some(*old.serial()), now)?;
    report(host, tally, place, "Idle under the new certificate", &answer(&udid, Status::IDLE, None), &certificate, now)?;
    Ok(certificate)
}

/// Reserve, store, sign, store.
fn issue(
    host: &mut impl Host,
    tally: &mut Tally,
    place: &Place,
    transaction: &str,
    renews: Option<SerialNumber>,
    now: Timestamp,
) -> Result<Certificate> {
    let holder = Holder { tenant: Some(place.tenant.clone()), ..Holder::default() };
    let wanted = IssuanceRequest { renews, holder, ..IssuanceRequest::new(&place.csr, transaction, &place.profile) };
    tally.message(if renews.is_some() { "RenewalReq" } else { "PKCSReq" }, |book| {
        let reserved = book.decide(host, |desk| {
            let answered = desk.load_alias::<CertificateRecord>(&transaction_alias(Some(&place.tenant), transaction))?;
            let reserved = place.authority.reserve(&wanted, answered.as_ref(), now, &place.provider)?;
            desk.keep(reserved.change())?;
            Ok(reserved)
        })?;
        let issued = reserved.sign_with(&place.keys.authority)?;
        let certificate = issued.record.certificate().ok_or("the certificate was not signed")?;
        book.decide(host, |desk| {
            desk.keep(&issued)?;
            let fingerprint = Fingerprint::of(certificate, &place.provider);
            desk.link("fingerprint", &fingerprint.to_string(), &issued.record.key())?;
            let Some(old) = renews else { return Ok(()) };
            announce(desk, place, &old, fingerprint, now)
        })?;
        Ok(certificate.clone())
    })
}

/// Tells the enrollment for which the old certificate speaks about its new one.
fn announce(desk: &mut impl Desk, place: &Place, old: &SerialNumber, new: Fingerprint, now: Timestamp) -> Result<()> {
    let old = desk.load::<CertificateRecord>(&old.to_string())?;
    let old = old.as_ref().and_then(CertificateRecord::certificate).ok_or("the old certificate is not there")?;
    let key = desk.linked("identity", &Fingerprint::of(old, &place.provider).to_string())?;
    let enrollment = desk.load::<Enrollment>(&key.ok_or("nobody speaks with it")?)?.ok_or("the enrollment is not there")?;
    match enrollment.announce_identity(new, now) {
        Some(announced) => keep_enrollment(desk, &announced),
        None => Ok(()),
    }
}

fn keep_enrollment(desk: &mut impl Desk, change: &Change<Enrollment>) -> Result<()> {
    desk.keep(change)?;
    if change.events.is_empty() {
        return Ok(());
    }
    let (record, key) = (&change.record, change.record.key());
    for identity in record.identity().iter().chain(record.announced_identities()) {
        desk.link("identity", &identity.to_string(), &key)?;
    }
    match record.binding() {
        Some(binding) => desk.link("token", &binding.token().to_hex(), &key),
        None => Ok(()),
    }
}

/// The record of the certificate that a message came under.
fn signer(desk: &mut impl Desk, fingerprint: Fingerprint) -> Result<CertificateRecord> {
    let key = desk.linked("fingerprint", &fingerprint.to_string())?.ok_or("the certificate is not on record")?;
    Ok(desk.load(&key)?.ok_or("the certificate is not on record")?)
}

fn check_in(
    host: &mut impl Host,
    tally: &mut Tally,
    place: &Place,
    kind: &'static str,
    message: &CheckIn,
    certificate: &Certificate,
    now: Timestamp,
) -> Result<Reply> {
    let id = message.enrollment()?;
    let fingerprint = Fingerprint::of(certificate, &place.provider);
    tally.message(kind, |book| {
        book.decide(host, |desk| {
            let record = signer(desk, fingerprint)?;
            let contact = place.contact(&record, fingerprint, now);
            let outcome = match desk.load::<Enrollment>(&place.key_of(&id))? {
                Some(enrollment) => enrollment.receive(message, &contact, now)?,
                None => Enrollment::begin(message, &contact, now)?,
            };
            if kind == "Authenticate" {
                let holder = Holder { enrollment: Some(id.clone()), ..record.holder().clone() };
                desk.keep(&record.assign(holder, now)?)?;
            }
            keep(desk, place, &id, outcome, now)
        })
    })
}

fn answer(udid: &str, status: Status, uuid: Option<&CommandUuid>) -> Report {
    let envelope = ReportEnvelope {
        status: Some(status),
        command_uuid: uuid.map(|uuid| uuid.as_str().to_owned()),
        udid: Some(udid.to_owned()),
        ..ReportEnvelope::default()
    };
    Report::from(envelope)
}

fn report(
    host: &mut impl Host,
    tally: &mut Tally,
    place: &Place,
    kind: &'static str,
    report: &Report,
    certificate: &Certificate,
    now: Timestamp,
) -> Result<Reply> {
    let id = report.enrollment()?;
    let fingerprint = Fingerprint::of(certificate, &place.provider);
    tally.message(kind, |book| {
        book.decide(host, |desk| {
            let record = signer(desk, fingerprint)?;
            let key = place.key_of(&id);
            let enrollment = desk.load::<Enrollment>(&key)?.ok_or("the device is not enrolled")?;
            let current = match report.command_uuid() {
                Some(uuid) => desk.load::<QueuedCommand>(&command_key(&place.tenant, &id, &uuid))?,
                None => None,
            };
            let open = desk.open::<QueuedCommand>(&key)?;
            let exchange = enrollment.report(report, current.as_ref(), &place.contact(&record, fingerprint, now), now)?;
            keep(desk, place, &id, exchange.next(&open, now), now)
        })
    })
}

/// Stores an outcome, and what follows from it in this database. The device is here: what was owed to it is settled.
fn keep(desk: &mut impl Desk, place: &Place, id: &EnrollmentId, outcome: Outcome, now: Timestamp) -> Result<Reply> {
    let key = place.key_of(id);
    if let Some(settled) = desk.load::<Waking>(&key)?.and_then(|waking| waking.contacted(now)) {
        desk.keep(&settled)?;
    }
    outcome.commands.iter().try_for_each(|command| desk.keep(command))?;
    keep_enrollment(desk, &outcome.enrollment)?;
    for effect in &outcome.enrollment.effects {
        match effect {
            Effect::ReleaseIdentity(fingerprint) => release(desk, *fingerprint, now)?,
            // There is nothing to cancel or to disable in a first enrollment.
            Effect::ClearQueue { .. } | Effect::DisableUserChannels { .. } => {}
            other => return Err(format!("nothing here leads to {other:?}").into()),
        }
    }
    Ok(outcome.reply)
}

fn release(desk: &mut impl Desk, fingerprint: Fingerprint, now: Timestamp) -> Result<()> {
    let revoked = signer(desk, fingerprint)?.revoke(RevocationReason::Superseded, None, now)?;
    if !revoked.effects.iter().any(|effect| matches!(effect, CaEffect::RefreshCrl { .. })) {
        return Err("a revocation was to make a list stale".into());
    }
    desk.keep(&revoked)
}

fn queue(host: &mut impl Host, tally: &mut Tally, place: &Place, udid: &str, uuid: &CommandUuid, now: Timestamp) -> Result<()> {
    let id = EnrollmentId::device_channel(udid)?;
    let queries = vec![DeviceInformationQueries::OS_VERSION, DeviceInformationQueries::SERIAL_NUMBER];
    let command = Command::new(uuid.as_str(), DeviceInformation { queries: Some(queries), ..DeviceInformation::default() });
    tally.message("a command is queued", |book| {
        book.decide(host, |desk| {
            let key = place.key_of(&id);
            let enrollment = desk.load::<Enrollment>(&key)?.ok_or("the device is not enrolled")?;
            let queued = enrollment.enqueue(&command, Schedule::default(), desk.number()?, now)?;
            desk.keep(&queued)?;
            for effect in &queued.effects {
                if let Effect::Wake { at } = effect {
                    owe(desk, place, &id, *at, now)?;
                }
            }
            Ok(())
        })
    })
}

/// A push that is owed, to be sent by whoever sends pushes.
fn owe(desk: &mut impl Desk, place: &Place, id: &EnrollmentId, at: Timestamp, now: Timestamp) -> Result<()> {
    let owed = match desk.load::<Waking>(&place.key_of(id))? {
        Some(waking) => waking.owe(at, now),
        None => {
            let begun = Waking::quiet(id.clone(), place.tenant.clone());
            begun.record.owe(at, now).map(|owed| begun.and_then(|_| owed))
        }
    };
    owed.iter().try_for_each(|owed| desk.keep(owed))
}
