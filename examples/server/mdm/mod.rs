//! `PUT /mdm`: what devices say, and what they are told.

pub mod commands;
pub mod profile;
pub mod records;
mod renewal;

use std::collections::VecDeque;

use axum::http::StatusCode;
use mdm_core::ca::{CertificateRecord, Holder};
use mdm_core::checkin::{Authenticate, CheckIn};
use mdm_core::cms::{MdmSignature, MdmSignaturePolicy};
use mdm_core::command::{Command, DeviceConfigured, Report, Status};
use mdm_core::enrollment::{
    Contact, Effect, Enrollment, Error, Fingerprint, Identity, Origin, Outcome, Policy, QueuedCommand, Reply, TokenHolder,
};
use mdm_core::id::{EnrollmentId, TenantId};
use mdm_core::limits::Limits;
use mdm_core::push::Topic;
use mdm_core::record::Change;
use mdm_core::x509::{Certificate, Standing};

use crate::failure::{Answer, Failure};
use crate::host::{Host, hex, now};
use crate::kept::{command_key, enrollment_key};
use crate::records::keep_ca;
use crate::store::Batch;
use crate::{authority, push, tenant};
use records::keep_enrollment;

pub use records::announce_renewal;

/// `PUT /mdm`
pub fn put(host: &Host, tenant: &TenantId, content_type: &str, signature: &str, body: &[u8]) -> Result<Answer, Failure> {
    let certificate = signer(host, signature, body)?;
    let reply = if content_type.starts_with("application/x-apple-aspen-mdm-checkin") {
        let message = CheckIn::parse(body, &Limits::MESSAGE).map_err(Failure::bad_request)?;
        let reply = host.store.decide(|batch| Conversation::begin(host, batch, tenant, &certificate)?.check_in(&message))?;
        // What the host itself would have to answer: this one has no tokens to give, and declares nothing.
        match (reply, &message) {
            (Reply::Host, CheckIn::GetToken(_)) => Reply::BadRequest,
            (reply, _) => reply,
        }
    } else {
        let report = Report::parse(body, &Limits::MESSAGE).map_err(Failure::bad_request)?;
        host.store.decide(|batch| Conversation::begin(host, batch, tenant, &certificate)?.report(&report))?
    };
    host.push_owed.notify_one();
    let status = StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let (body, content_type) = reply.into_body();
    Ok(Answer { status, ..Answer::ok(content_type.unwrap_or_default(), body) })
}

/// The certificate whose key signed the body. Whether it is worth anything is decided with its record.
fn signer(host: &Host, header: &str, body: &[u8]) -> Result<Certificate, Failure> {
    // Never 401, which makes a device remove its enrollment.
    let refused = |error: mdm_core::cms::Error| Failure {
        log: format!("Mdm-Signature: {error}"),
        ..Failure::refused(StatusCode::FORBIDDEN, "the Mdm-Signature header proves nothing")
    };
    if header.is_empty() {
        return Err(Failure::bad_request("the request has no Mdm-Signature header"));
    }
    let signature = MdmSignature::parse(header, &Limits::PKI).map_err(refused)?;
    signature.verify(body, &host.provider, &MdmSignaturePolicy::at(now())).map_err(refused)
}

/// One request of one device, inside one transaction of the database.
struct Conversation<'a, 'b> {
    host: &'a Host,
    batch: &'a mut Batch<'b>,
    tenant: &'a TenantId,
    topics: Vec<Topic>,
    fingerprint: Fingerprint,
    standing: Standing,
    record: Option<CertificateRecord>,
    origin: Option<Origin>,
    bound_to: Option<EnrollmentId>,
}

impl<'a, 'b> Conversation<'a, 'b> {
    fn begin(
        host: &'a Host,
        batch: &'a mut Batch<'b>,
        tenant: &'a TenantId,
        certificate: &Certificate,
    ) -> Result<Self, Failure> {
        let fingerprint = Fingerprint::of(certificate, &host.provider);
        let record = authority::record_of(host, batch, certificate)?;
        let standing = authority::standing(record.as_ref(), tenant);
        let bound_to = match batch.linked("identity", &fingerprint.to_string())? {
            Some(key) => batch.load::<Enrollment>(&key)?.filter(|found| found.identity() == Some(fingerprint)),
            None => None,
        };
        let topics = push::certificate::topics(batch, tenant)?;
        Ok(Conversation {
            host,
            batch,
            tenant,
            topics,
            fingerprint,
            standing,
            origin: record.as_ref().map(|record| tenant::origin_of(record.authority())),
            record,
            bound_to: bound_to.map(|found| found.id().clone()),
        })
    }

    fn check_in(mut self, message: &CheckIn) -> Result<Reply, Failure> {
        let id = message.enrollment().map_err(Failure::bad_request)?;
        let stored = self.load(&id)?;
        let holder = self.token_holder(message)?;
        let device = self.load(&id.device())?;
        let contact = self
            .contact(device.as_ref())
            .token_held_by(holder.as_ref().map(|holder| TokenHolder { tenant: holder.tenant(), enrollment: holder.id() }));
        let outcome = match &stored {
            Some(enrollment) => enrollment.receive(message, &contact, now()),
            None => Enrollment::begin(message, &contact, now()),
        };
        match outcome {
            Ok(outcome) => {
                self.batch.log(format!("mdm: {} of {id} at {}", message.message_type(), self.tenant));
                if let CheckIn::Authenticate(introduced) = message {
                    self.assign(&id, introduced)?;
                }
                self.keep(outcome)
            }
            Err(error) => Ok(self.refused(&id, &error)),
        }
    }

    fn report(mut self, report: &Report) -> Result<Reply, Failure> {
        let id = report.enrollment().map_err(Failure::bad_request)?;
        let Some(mut enrollment) = self.load(&id)? else { return Ok(self.refused(&id, &Error::NotEnrolled)) };
        if let Some(record) = self.record.as_ref().filter(|_| *report.status() == Status::IDLE && self.is_own(&enrollment)) {
            enrollment = renewal::ask_if_due(self.host, self.batch, enrollment, record)?;
        }
        let device = self.load(&id.device())?;
        let current = match report.command_uuid() {
            Some(uuid) => self.batch.load::<QueuedCommand>(&command_key(self.tenant, &id, &uuid))?,
            None => None,
        };
        let open = self.batch.list_open::<QueuedCommand>(&enrollment_key(self.tenant, &id))?;
        match enrollment.report(report, current.as_ref(), &self.contact(device.as_ref()), now()) {
            Ok(exchange) => {
                self.batch.log(format!("mdm: {} of {id} at {}", report.status().as_str(), self.tenant));
                self.keep(exchange.next(&open, now()))
            }
            Err(error) => Ok(self.refused(&id, &error)),
        }
    }

    /// Whether the certificate is the one that the enrollment is bound to: what it owes is asked of its own device only.
    fn is_own(&self, enrollment: &Enrollment) -> bool {
        self.standing == Standing::InForce && enrollment.identity() == Some(self.fingerprint)
    }

    /// Writes down whose certificate it is.
    fn assign(&mut self, id: &EnrollmentId, introduced: &Authenticate) -> Result<(), Failure> {
        let Some(record) = &self.record else { return Ok(()) };
        let device_name = introduced.device_name.clone();
        let holder = Holder { enrollment: Some(id.clone()), device_name, ..record.holder().clone() };
        let assigned = record.assign(holder, now())?;
        keep_ca(self.host, self.batch, &assigned)
    }

    fn load(&self, id: &EnrollmentId) -> Result<Option<Enrollment>, Failure> {
        Ok(self.batch.load::<Enrollment>(&enrollment_key(self.tenant, id))?)
    }

    fn contact<'c>(&'c self, device: Option<&'c Enrollment>) -> Contact<'c> {
        let identity = Identity::new(self.fingerprint, self.standing).bound_to(self.bound_to.as_ref());
        let identity = identity.coming_from(self.origin.as_ref());
        Contact::new(self.tenant, &self.topics, identity).on_device(device).under(Policy::default())
    }

    /// The enrollment that has the token of this `TokenUpdate` now, whosever it is.
    fn token_holder(&self, message: &CheckIn) -> Result<Option<Enrollment>, Failure> {
        let CheckIn::TokenUpdate(update) = message else { return Ok(None) };
        let Some(token) = &update.token else { return Ok(None) };
        let token = hex(token.expose());
        let Some(key) = self.batch.linked("token", &token)? else { return Ok(None) };
        let holder = self.batch.load::<Enrollment>(&key)?;
        Ok(holder.filter(|holder| holder.binding().is_some_and(|binding| binding.token().to_hex() == token)))
    }

    fn refused(&mut self, id: &EnrollmentId, error: &Error) -> Reply {
        self.batch.log(format!("mdm: refused {id} at {}: {error}", self.tenant));
        error.reply(Policy::default().strangers)
    }

    /// Stores an outcome, and carries out those of its effects that are changes in this database. The device is here: what was
    /// owed to it is settled, and what comes of this message is owed from now on.
    fn keep(&mut self, outcome: Outcome) -> Result<Reply, Failure> {
        push::waking::contacted(self.batch, self.tenant, outcome.enrollment.record.id())?;
        outcome.commands.iter().try_for_each(|command| self.batch.keep(command))?;
        let mut changes = VecDeque::from([outcome.enrollment]);
        while let Some(change) = changes.pop_front() {
            keep_enrollment(self.batch, &change)?;
            let id = change.record.id().clone();
            for effect in change.effects {
                changes.extend(self.carry_out(&id, effect)?);
            }
        }
        Ok(outcome.reply)
    }

    /// Carries one effect out, and gives what that decides about other enrollments.
    fn carry_out(&mut self, id: &EnrollmentId, effect: Effect) -> Result<Vec<Change<Enrollment>>, Failure> {
        let own_key = |id: &EnrollmentId| enrollment_key(self.tenant, id);
        match effect {
            Effect::ClearQueue { enrollment, generation } => {
                for command in self.batch.list_open::<QueuedCommand>(&own_key(&enrollment))? {
                    command.cancel_ended(generation, now()).iter().try_for_each(|cancelled| self.batch.keep(cancelled))?;
                }
            }
            Effect::DisableUserChannels { device, generation } => {
                let channels = self.batch.list::<Enrollment>(&own_key(&device))?;
                return Ok(channels.iter().filter_map(|channel| channel.disable_with_device(generation, now())).collect());
            }
            Effect::Displace { enrollment, token } => {
                let older = self.batch.load::<Enrollment>(&own_key(&enrollment))?;
                return Ok(older.and_then(|older| older.displace(&token, now())).into_iter().collect());
            }
            Effect::ReleaseIdentity(fingerprint) => records::release_identity(self.host, self.batch, fingerprint)?,
            Effect::FinishSetup => {
                if let Some(enrollment) = self.load(id)? {
                    let configured = Command::new(commands::uuid(self.host)?, DeviceConfigured::default());
                    commands::enqueue(self.batch, &enrollment, &configured)?;
                }
            }
            Effect::Wake { at } => push::waking::owe(self.batch, self.tenant, id, at)?,
        }
        Ok(Vec::new())
    }
}
