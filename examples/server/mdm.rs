//! `PUT /mdm` and `GET /enroll`: what devices say, and what they are told.

use axum::http::StatusCode;
use mdm_core::ca::CertificateRecord;
use mdm_core::checkin::CheckIn;
use mdm_core::cms::{MdmSignature, MdmSignaturePolicy};
use mdm_core::command::{Command, DeviceConfigured, Report};
use mdm_core::crypto::DigestAlgorithm;
use mdm_core::enrollment::{
    Contact, Effect, Enrollment, Fingerprint, Identity, Outcome, Policy, QueuedCommand, Reply, Schedule, TokenHolder,
};
use mdm_core::id::EnrollmentId;
use mdm_core::limits::Limits;
use mdm_core::plist::{self, Dictionary, Value as Plist};
use mdm_core::profile;
use mdm_core::push::{PushCertificate, Topic};
use mdm_core::record::Change;
use mdm_core::x509::{Certificate, RevocationReason, Standing};
use serde_json::{Value, json};

use crate::Answer;
use crate::host::{self, Failure, Host, tenant};
use crate::store::{Batch, Stored};

impl Stored for Enrollment {
    const KIND: &'static str = "enrollment";

    fn key(&self) -> String {
        self.id().to_string()
    }

    /// The device, so that a device's channels are found together.
    fn owner(&self) -> String {
        self.id().device().to_string()
    }
}

impl Stored for QueuedCommand {
    const KIND: &'static str = "command";

    fn key(&self) -> String {
        format!("{} {}", self.enrollment(), self.uuid())
    }

    fn owner(&self) -> String {
        self.enrollment().to_string()
    }

    fn place(&self) -> Option<Vec<u8>> {
        self.state().is_open().then(|| self.rank().to_bytes().to_vec())
    }
}

/// `PUT /mdm`
pub fn put(host: &Host, content_type: &str, signature: &str, body: &[u8]) -> Result<Answer, Failure> {
    let certificate = signer(host, signature, body)?;
    let outcome = if content_type.starts_with("application/x-apple-aspen-mdm-checkin") {
        let message = CheckIn::parse(body, &Limits::MESSAGE).map_err(|error| bad_message(&error))?;
        host.store.decide(|batch| Conversation::begin(host, batch, &certificate)?.check_in(&message))?
    } else {
        let report = Report::parse(body, &Limits::MESSAGE).map_err(|error| bad_message(&error))?;
        host.store.decide(|batch| Conversation::begin(host, batch, &certificate)?.report(&report))?
    };
    outcome.wakes.iter().for_each(|id| wake(host, id));
    let status = StatusCode::from_u16(outcome.reply.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let (body, content_type) = outcome.reply.into_body();
    Ok(Answer { status, content_type: content_type.unwrap_or_default(), body: body.into_owned() })
}

fn bad_message(error: &dyn std::error::Error) -> Failure {
    Failure::refused(StatusCode::BAD_REQUEST, error.to_string())
}

/// The certificate whose key signed the body. Whether it is worth anything is decided with its record.
fn signer(host: &Host, header: &str, body: &[u8]) -> Result<Certificate, Failure> {
    // Never 401, which makes a device remove its enrollment.
    let refused =
        |log: String| Failure { status: StatusCode::FORBIDDEN, reason: "the Mdm-Signature header proves nothing".into(), log };
    if header.is_empty() {
        return Err(Failure::refused(StatusCode::BAD_REQUEST, "the request has no Mdm-Signature header"));
    }
    let signature = MdmSignature::parse(header, &Limits::PKI).map_err(|error| refused(format!("Mdm-Signature: {error}")))?;
    let policy = MdmSignaturePolicy::at(host::now());
    signature.verify(body, &host.provider, &policy).map_err(|error| refused(format!("Mdm-Signature: {error}")))
}

/// One request of one device, inside one transaction of the database.
struct Conversation<'a, 'b> {
    host: &'a Host,
    batch: &'a mut Batch<'b>,
    topics: Vec<Topic>,
    fingerprint: Fingerprint,
    standing: Standing,
    bound_to: Option<EnrollmentId>,
}

/// What is left to do when the transaction is through.
struct Told {
    reply: Reply,
    wakes: Vec<EnrollmentId>,
}

impl<'a, 'b> Conversation<'a, 'b> {
    fn begin(host: &'a Host, batch: &'a mut Batch<'b>, certificate: &Certificate) -> Result<Self, Failure> {
        let fingerprint = Fingerprint::of(certificate, &host.provider);
        let record = batch.load::<CertificateRecord>(&certificate.serial().to_string())?;
        // Only a certificate that is on record byte for byte is one of ours; a serial number proves nothing.
        let standing = match record {
            Some(record) if record.certificate() == Some(certificate) => record.standing(host::now()),
            _ => Standing::NotIssued,
        };
        let bound_to = batch.linked("identity", &fingerprint.to_string())?;
        let bound_to = match bound_to {
            Some(key) => batch.load::<Enrollment>(&key)?.filter(|found| found.identity() == Some(fingerprint)),
            None => None,
        };
        let topics = topics(batch)?;
        Ok(Conversation { host, batch, topics, fingerprint, standing, bound_to: bound_to.map(|found| found.id().clone()) })
    }

    fn check_in(mut self, message: &CheckIn) -> Result<Told, Failure> {
        let id = message.enrollment().map_err(|error| bad_message(&error))?;
        let stored = self.batch.load::<Enrollment>(&id.to_string())?;
        let holder = self.token_holder(message)?;
        let device = self.batch.load::<Enrollment>(&id.device().to_string())?;
        let tenant = tenant();
        let contact = self
            .contact(&tenant, device.as_ref())
            .token_held_by(holder.as_ref().map(|holder| TokenHolder { tenant: holder.tenant(), enrollment: holder.id() }));
        let now = host::now();
        let outcome = match &stored {
            Some(enrollment) => enrollment.receive(message, &contact, now),
            None => Enrollment::begin(message, &contact, now),
        };
        match outcome {
            Ok(outcome) => {
                eprintln!("mdm: {} of {id}: {}", message.message_type(), outcome.reply.status());
                self.keep(outcome)
            }
            Err(error) => Ok(refused(&id, &error)),
        }
    }

    fn report(mut self, report: &Report) -> Result<Told, Failure> {
        let id = report.enrollment().map_err(|error| bad_message(&error))?;
        let Some(enrollment) = self.batch.load::<Enrollment>(&id.to_string())? else {
            return Ok(refused(&id, &mdm_core::enrollment::Error::NotEnrolled));
        };
        let device = self.batch.load::<Enrollment>(&id.device().to_string())?;
        let current = match report.command_uuid() {
            Some(uuid) => self.batch.load::<QueuedCommand>(&format!("{id} {uuid}"))?,
            None => None,
        };
        let open = self.batch.list_open::<QueuedCommand>(&id.to_string())?;
        let tenant = tenant();
        let now = host::now();
        match enrollment.report(report, current.as_ref(), &self.contact(&tenant, device.as_ref()), now) {
            Ok(exchange) => {
                eprintln!("mdm: {} of {id}", report.status().as_str());
                self.keep(exchange.next(&open, now))
            }
            Err(error) => Ok(refused(&id, &error)),
        }
    }

    fn contact<'c>(&'c self, tenant: &'c mdm_core::id::TenantId, device: Option<&'c Enrollment>) -> Contact<'c> {
        let identity = Identity::new(self.fingerprint, self.standing).bound_to(self.bound_to.as_ref());
        Contact::new(tenant, &self.topics, identity).on_device(device).under(Policy::default())
    }

    /// The enrollment that has the token of this `TokenUpdate` now.
    fn token_holder(&self, message: &CheckIn) -> Result<Option<Enrollment>, Failure> {
        let CheckIn::TokenUpdate(update) = message else { return Ok(None) };
        let Some(token) = &update.token else { return Ok(None) };
        let token = host::hex(token.expose());
        let Some(key) = self.batch.linked("token", &token)? else { return Ok(None) };
        let holder = self.batch.load::<Enrollment>(&key)?;
        Ok(holder.filter(|holder| holder.binding().is_some_and(|binding| binding.token().to_hex() == token)))
    }

    /// Stores an outcome, and carries out those of its effects that are changes in this database.
    fn keep(&mut self, outcome: Outcome) -> Result<Told, Failure> {
        outcome.commands.iter().try_for_each(|command| self.batch.keep(command))?;
        let mut told = Told { reply: outcome.reply, wakes: Vec::new() };
        let mut changes = vec![outcome.enrollment];
        while let Some(change) = changes.pop() {
            keep_enrollment(self.batch, &change)?;
            let id = change.record.id().clone();
            for effect in change.effects {
                self.carry_out(&id, effect, &mut changes, &mut told)?;
            }
        }
        Ok(told)
    }

    fn carry_out(
        &mut self,
        id: &EnrollmentId,
        effect: Effect,
        changes: &mut Vec<Change<Enrollment>>,
        told: &mut Told,
    ) -> Result<(), Failure> {
        let now = host::now();
        match effect {
            Effect::ClearQueue { enrollment, generation } => {
                for command in self.batch.list_open::<QueuedCommand>(&enrollment.to_string())? {
                    command.cancel_ended(generation, now).iter().try_for_each(|command| self.batch.keep(command))?;
                }
            }
            Effect::DisableUserChannels { device, generation } => {
                let channels = self.batch.list::<Enrollment>(&device.to_string())?;
                changes.extend(channels.iter().filter_map(|channel| channel.disable_with_device(generation, now)));
            }
            Effect::Displace { enrollment, token } => {
                let older = self.batch.load::<Enrollment>(&enrollment.to_string())?;
                changes.extend(older.and_then(|older| older.displace(&token, now)));
            }
            Effect::ReleaseIdentity(fingerprint) => release_identity(self.host, self.batch, fingerprint)?,
            Effect::FinishSetup => {
                if let Some(enrollment) = self.batch.load::<Enrollment>(&id.to_string())? {
                    enqueue(self.batch, &enrollment, &Command::new(uuid(self.host)?, DeviceConfigured::default()))?;
                    told.wakes.push(id.clone());
                }
            }
            Effect::Wake { .. } => told.wakes.push(id.clone()),
        }
        Ok(())
    }
}

fn refused(id: &EnrollmentId, error: &mdm_core::enrollment::Error) -> Told {
    eprintln!("mdm: refused {id}: {error}");
    Told { reply: error.reply(Policy::default().strangers), wakes: Vec::new() }
}

/// Stores an enrollment with its events, and what it is found by.
fn keep_enrollment(batch: &mut Batch<'_>, change: &Change<Enrollment>) -> Result<(), Failure> {
    batch.keep(change)?;
    let (record, key) = (&change.record, change.record.key());
    if let Some(identity) = record.identity() {
        batch.link("identity", &identity.to_string(), &key)?;
    }
    if let Some(binding) = record.binding() {
        batch.link("token", &binding.token().to_hex(), &key)?;
    }
    Ok(())
}

/// A certificate that no enrollment is bound to any more is revoked.
fn release_identity(host: &Host, batch: &mut Batch<'_>, fingerprint: Fingerprint) -> Result<(), Failure> {
    let Some(serial) = batch.linked("fingerprint", &fingerprint.to_string())? else { return Ok(()) };
    let Some(record) = batch.load::<CertificateRecord>(&serial)? else { return Ok(()) };
    // Revoked before is revoked still.
    if let Ok(revoked) = record.revoke(RevocationReason::Superseded, None, host::now()) {
        batch.keep(&revoked)?;
        batch.put_secret(host::CRL_IS_STALE, &host.provider.random_bytes::<16>()?)?;
        eprintln!("audit: certificate {serial} revoked, it was superseded");
    }
    Ok(())
}

/// Tells the enrollment that is bound to the old certificate about its new one; called when a renewal is issued.
pub fn announce_renewal(host: &Host, batch: &mut Batch<'_>, old: &Certificate, new: &Certificate) -> Result<(), Failure> {
    let old = Fingerprint::of(old, &host.provider);
    let Some(key) = batch.linked("identity", &old.to_string())? else { return Ok(()) };
    let Some(enrollment) = batch.load::<Enrollment>(&key)? else { return Ok(()) };
    match enrollment.announce_identity(Fingerprint::of(new, &host.provider), host::now()) {
        Some(outcome) => keep_enrollment(batch, &outcome),
        None => Ok(()),
    }
}

/// The topics of the tenant: those of its push certificates.
fn topics(batch: &Batch<'_>) -> Result<Vec<Topic>, Failure> {
    let certificate = push_certificate(batch)?;
    Ok(certificate.installed().map(|installed| installed.topic.clone()).into_iter().collect())
}

fn push_certificate(batch: &Batch<'_>) -> Result<PushCertificate, Failure> {
    batch.load::<PushCertificate>(tenant().as_str())?.ok_or_else(|| Failure::internal("the tenant has no push certificate"))
}

/// Wakes a device. This host has no connection to APNs: it says in its log what it would send.
fn wake(host: &Host, id: &EnrollmentId) {
    let prepared = host.store.decide(|batch| {
        let enrollment = batch.load::<Enrollment>(&id.to_string())?;
        Ok::<_, Failure>((enrollment, push_certificate(batch)?))
    });
    match prepared {
        Ok((Some(enrollment), certificate)) => {
            match enrollment.binding().map(|binding| binding.wake(&certificate, host::now())) {
                Some(Ok(wake)) => {
                    let request = wake.request();
                    eprintln!("push: {} {} for {id}", request.method(), request.uri());
                }
                Some(Err(refused)) => eprintln!("push: not sent to {id}: {refused}"),
                None => eprintln!("push: {id} has no address yet"),
            }
        }
        Ok((None, _)) => {}
        Err(failure) => eprintln!("push: {}", failure.log),
    }
}

fn enqueue(batch: &mut Batch<'_>, enrollment: &Enrollment, command: &Command) -> Result<(), Failure> {
    let number = batch.next_number()?;
    let queued = enrollment
        .enqueue(command, Schedule::default(), number, host::now())
        .map_err(|error| Failure::refused(StatusCode::CONFLICT, error.to_string()))?;
    eprintln!("queue: {} for {} as {}", command.request.request_type(), enrollment.id(), command.uuid);
    batch.keep(&queued)?;
    Ok(())
}

/// `POST /admin/enrollments/{id}/commands`
pub fn queue(host: &Host, id: &str, body: &[u8]) -> Result<Value, Failure> {
    let command = read_command(host, body)?;
    let queued = host.store.decide(|batch| {
        let unknown = || Failure::refused(StatusCode::NOT_FOUND, "no enrollment has this identifier");
        let enrollment = batch.load::<Enrollment>(id)?.ok_or_else(unknown)?;
        enqueue(batch, &enrollment, &command)?;
        Ok::<_, Failure>(enrollment.id().clone())
    })?;
    wake(host, &queued);
    Ok(json!({ "CommandUUID": command.uuid.as_str() }))
}

/// A whole command as a property list, or a request alone as a property list or as JSON.
fn read_command(host: &Host, body: &[u8]) -> Result<Command, Failure> {
    let bad = |reason: String| Failure::refused(StatusCode::BAD_REQUEST, reason);
    let value = match serde_json::from_slice::<Value>(body) {
        Ok(json) => from_json(&json).ok_or_else(|| bad("null has no place in a command".into()))?,
        Err(_) => {
            plist::parse(body, &Limits::MESSAGE).map_err(|error| bad(format!("neither JSON nor a property list: {error}")))?
        }
    };
    let Plist::Dictionary(entries) = value else { return Err(bad("a command is a dictionary".into())) };
    let whole = if entries.get("Command").is_some() {
        entries
    } else {
        let name = Plist::from(uuid(host)?);
        [("Command", Plist::Dictionary(entries)), ("CommandUUID", name)].into_iter().collect::<Dictionary>()
    };
    Command::from_value(Plist::Dictionary(whole)).map_err(|error| bad(error.to_string()))
}

fn from_json(json: &Value) -> Option<Plist> {
    Some(match json {
        Value::Null => return None,
        Value::Bool(truth) => Plist::from(*truth),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => Plist::from(number),
            (_, Some(number), _) => Plist::from(number),
            (_, _, number) => Plist::from(number?),
        },
        Value::String(text) => Plist::from(text.as_str()),
        Value::Array(items) => Plist::Array(items.iter().map(from_json).collect::<Option<_>>()?),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| Some((key.as_str(), from_json(value)?)));
            Plist::Dictionary(entries.collect::<Option<Dictionary>>()?)
        }
    })
}

/// A name for a command.
fn uuid(host: &Host) -> Result<String, Failure> {
    Ok(profile::uuid(host.provider.random_bytes()?))
}

/// `GET /admin/enrollments`
pub fn describe_enrollments(host: &Host) -> Result<Value, Failure> {
    host.store.decide(|batch| {
        let mut described = Vec::new();
        for enrollment in batch.list_all::<Enrollment>()? {
            let commands = batch.list::<QueuedCommand>(&enrollment.key())?;
            let commands = commands.iter().map(|command| {
                json!({ "uuid": command.uuid().as_str(), "requestType": command.request_type(), "state": format!("{:?}", command.state()) })
            });
            described.push(json!({
                "id": enrollment.key(),
                "kind": format!("{:?}", enrollment.id().kind()),
                "state": format!("{:?}", enrollment.state()),
                "lastSeen": enrollment.last_seen().to_string(),
                "commands": commands.collect::<Vec<_>>(),
            }));
        }
        Ok(Value::Array(described))
    })
}

/// `GET /enroll`: a profile that gives a device its identity over SCEP and hands it to this server.
pub fn enrollment_profile(host: &Host) -> Result<Answer, Failure> {
    let (topic, fingerprint) = host.store.decide(|batch| {
        let authority = host.authority(batch)?;
        // Apple's client tells MD5 from SHA-1 by the length and, as far as is known, takes no other.
        let fingerprint = authority.certificate()?.fingerprint(&host.provider, DigestAlgorithm::Sha1);
        let topic = topics(batch)?.into_iter().next().ok_or_else(|| Failure::internal("the tenant has no push certificate"))?;
        Ok::<_, Failure>((topic, fingerprint.as_ref().to_vec()))
    })?;
    let url = &host.config.url;
    let enrollment = profile::Enrollment {
        identifier: "com.example.mdm".into(),
        display_name: "Enrollment".into(),
        organization: Some("Example".into()),
        scep: profile::ScepIdentity {
            url: format!("{url}/scep"),
            name: Some(host::AUTHORITY.into()),
            challenge: Some(host.config.challenge.as_str().into()),
            subject: vec![("CN".into(), "%HardwareUUID%".into())],
            key_size: 2048,
            ca_fingerprint: Some(fingerprint),
            options: profile::ScepOptions::default(),
        },
        topic: topic.as_str().into(),
        server_url: format!("{url}/mdm"),
        check_in_url: None,
        // A real host asks for those rights that it needs.
        access_rights: Some(profile::Rights::ALL),
        trusted_roots: Vec::new(),
    };
    let random = || host.provider.random_bytes::<16>();
    let body = enrollment.profile([random()?, random()?, random()?]).to_xml().map_err(Failure::internal)?;
    Ok(Answer::ok("application/x-apple-aspen-config", body))
}
