//! The server's side of the story: what a host does around the core, with vectors where a real one has a database.
//!
//! Each method is one request: load the records that the message names, let the core decide, keep what it decided, answer.

use mdm_core::ca::{Authority, CertificateRecord, Creation, IssuanceRequest, Profile, Service};
use mdm_core::checkin::CheckIn;
use mdm_core::cms::{MdmSignature, MdmSignaturePolicy};
use mdm_core::command::{Command, Report};
use mdm_core::crypto::{DigestAlgorithm, KeyKind, Provider, SigningKey as _, SoftwareKey};
use mdm_core::enrollment::{self, Contact, Enrollment, Fingerprint, Identity, Outcome, QueuedCommand, Schedule, Strangers};
use mdm_core::id::TenantId;
use mdm_core::limits::Limits;
use mdm_core::push::{self, Descent, Environment, PushCertificate, Topic, TopicChange};
use mdm_core::scep::{
    Authorized, CaCertificates, Capabilities, Challenge, FailInfo, Peer, Received, Recipient, Refused, RenewalAuthority, Reply,
    Request, Signer,
};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::{Certificate, RevocationReason, SerialNumber, Standing};

use crate::{Result, apple};

/// Everything the server has.
pub struct Host {
    provider: Provider,
    /// The host's clock: the story sets it.
    pub now: Timestamp,
    /// The certificate authority.
    pub authority: Authority,
    authority_key: SoftwareKey,
    scep_key: SoftwareKey,
    challenge: Secret,
    tenant: TenantId,
    /// The tenant's push certificate.
    pub push_certificate: PushCertificate,
    apple_key: SoftwareKey,
    /// One record for each certificate.
    pub certificates: Vec<CertificateRecord>,
    /// One record for each enrollment: the story has one device.
    pub enrollment: Option<Enrollment>,
    commands: Vec<QueuedCommand>,
}

const FIRST_TOPIC: &str = "com.apple.mgmt.External.6f2d1c0e-5b7a-4e38-9a41-0c8d7e6f5a4b";

/// What comes of a SCEP request.
enum Decision {
    /// A certificate; the second is the serial number of the one that it renews.
    Issue(Authorized, Option<SerialNumber>),
    Deny(Reply),
}

impl Host {
    /// A server with an authority of its own and one tenant.
    pub fn new(provider: Provider, challenge: &str, now: Timestamp) -> Result<Host> {
        let key = || -> Result<SoftwareKey> { Ok(provider.load(&provider.generate(KeyKind::Rsa(2048))?)?) };
        let (authority_key, scep_key) = (key()?, key()?);
        let creation = Creation::new("builtin", "Example Inc.", authority_key.public_key().clone())
            .service(Service::Scep, SoftwareKey::public_key(&scep_key).clone());
        let mut authority = Authority::create(&creation, now, &provider)?.record;
        while let Some(next) = authority.to_be_signed(now, &provider)? {
            authority = next.sign_with(&authority_key)?.record;
        }
        let tenant = TenantId::from("example");
        let (push_key, apple_key) = (key()?, key()?);
        let certificate = apple::issue(FIRST_TOPIC, push_key.public_key(), &apple_key, now, &provider)?;
        let adopted = PushCertificate::adopt(
            tenant.clone(),
            descent(),
            &certificate,
            push_key.public_key(),
            Environment::Production,
            now,
        )?;
        Ok(Host {
            provider,
            now,
            authority,
            authority_key,
            scep_key,
            challenge: Secret::from(challenge),
            push_certificate: adopted.record,
            apple_key,
            tenant,
            certificates: Vec::new(),
            enrollment: None,
            commands: Vec::new(),
        })
    }

    /// The tenant's push topic.
    pub fn topic(&self) -> Result<Topic> {
        Ok(self.push_certificate.installed().ok_or("the push certificate is not installed")?.topic.clone())
    }

    fn ra(&self) -> Result<Certificate> {
        Ok(self.authority.service(Service::Scep).ok_or("the authority has no SCEP certificate")?.clone())
    }

    /// `GetCACert`, and the fingerprint that an enrollment profile carries beside the URL.
    pub fn ca_certificates(&self) -> Result<(Vec<u8>, Vec<u8>)> {
        let authority = self.authority.certificate()?.clone();
        let fingerprint = authority.fingerprint(&self.provider, DigestAlgorithm::Sha256).as_ref().to_vec();
        let (_media_type, body) = CaCertificates::registration(vec![self.ra()?], vec![authority])?.to_body();
        Ok((body, fingerprint))
    }

    /// `GetCACaps`
    pub fn capabilities(&self) -> Vec<u8> {
        Capabilities::server(&Peer::apple()).to_string().into_bytes()
    }

    /// `PKIOperation`: the body of a request in, the body of the signed answer out.
    pub fn scep(&mut self, body: &[u8]) -> Result<Vec<u8>> {
        let ra = self.ra()?;
        let reply = match self.authorize(body, &ra) {
            Ok(Decision::Issue(authorized, renews)) => {
                let certificate = self.issue(&authorized, renews)?;
                authorized.grant(&certificate)
            }
            Ok(Decision::Deny(reply)) => Ok(reply),
            Err(refused) => Err(refused),
        };
        let reply = match reply {
            Ok(reply) => reply,
            Err(refused) => refused.into_reply().ok_or("not a SCEP request")?,
        };
        Ok(reply.sign_with(&Signer { certificate: &ra, key: &self.scep_key })?)
    }

    /// The decision: who knows the challenge may have a first certificate; who has a good one may renew it.
    fn authorize(&self, body: &[u8], ra: &Certificate) -> std::result::Result<Decision, Refused> {
        let received = Received::parse(body, &Peer::apple(), &self.provider)?;
        match received.open(&Recipient { certificate: ra, key: &self.scep_key })? {
            Request::PkcsReq(request) => Ok(Decision::Issue(request.authorize(Challenge::Fixed(&self.challenge))?, None)),
            Request::RenewalReq(request) => {
                let current = request.renewal_of().clone();
                let issuers: Vec<Certificate> = self.authority.certificate().into_iter().cloned().collect();
                let standing = self.standing(&current);
                let authority = RenewalAuthority { issuers: &issuers, standing, now: self.now };
                Ok(Decision::Issue(request.authorize(&authority)?, Some(*current.serial())))
            }
            other => Ok(Decision::Deny(other.deny(FailInfo::BadRequest))),
        }
    }

    /// Reserve, keep, sign, keep.
    fn issue(&mut self, authorized: &Authorized, renews: Option<SerialNumber>) -> Result<Certificate> {
        let profile = Profile::device_identity();
        let transaction = authorized.transaction_id().as_str();
        let wanted = IssuanceRequest { renews, ..IssuanceRequest::new(authorized.csr(), transaction, &profile) };
        let answered =
            self.certificates.iter().rev().find(|record| record.request().is_some_and(|it| it.transaction == transaction));
        let reserved = self.authority.reserve(&wanted, answered, self.now, &self.provider)?;
        self.keep_certificate(reserved.record().clone());
        let issued = reserved.sign_with(&self.authority_key)?.record;
        self.keep_certificate(issued.clone());
        let certificate = issued.certificate().ok_or("the certificate was not signed")?.clone();
        if renews.is_some()
            && let Some(enrollment) = &self.enrollment
            && let Some(change) = enrollment.announce_identity(Fingerprint::of(&certificate, &self.provider), self.now)
        {
            self.enrollment = Some(change.record);
        }
        Ok(certificate)
    }

    fn keep_certificate(&mut self, record: CertificateRecord) {
        match self.certificates.iter_mut().find(|kept| kept.serial() == record.serial()) {
            Some(kept) => *kept = record,
            None => self.certificates.push(record),
        }
    }

    /// What a certificate is worth now: only one on record, byte for byte, is worth anything.
    fn standing(&self, certificate: &Certificate) -> Standing {
        let record = self.certificates.iter().find(|record| record.certificate() == Some(certificate));
        record.map_or(Standing::NotIssued, |record| record.standing(self.now))
    }

    /// `PUT /mdm`: the status and the body of the answer.
    pub fn mdm(&mut self, is_check_in: bool, signature: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
        let policy = MdmSignaturePolicy::at(self.now);
        let certificate = MdmSignature::parse(signature, &Limits::PKI)?.verify(body, &self.provider, &policy)?;
        let identity = Identity::new(Fingerprint::of(&certificate, &self.provider), self.standing(&certificate));
        let (tenant, topics) = (self.tenant.clone(), [self.topic()?]);
        let contact = Contact::new(&tenant, &topics, identity);
        let outcome = if is_check_in {
            let message = CheckIn::parse(body, &Limits::MESSAGE)?;
            match &self.enrollment {
                Some(enrollment) => enrollment.receive(&message, &contact, self.now),
                None => Enrollment::begin(&message, &contact, self.now),
            }
        } else {
            let report = Report::parse(body, &Limits::MESSAGE)?;
            let enrollment = self.enrollment.as_ref().ok_or("the device is not enrolled")?;
            let uuid = report.command_uuid();
            let current = self.commands.iter().find(|command| Some(command.uuid()) == uuid.as_ref());
            let mut open: Vec<&QueuedCommand> = self.commands.iter().filter(|command| command.state().is_open()).collect();
            open.sort_by_key(|command| command.rank());
            enrollment.report(&report, current, &contact, self.now).map(|exchange| exchange.next(open, self.now))
        };
        let reply = match outcome {
            Ok(outcome) => self.keep(outcome),
            Err(error) => {
                println!("      (the server's log: {error})");
                error.reply(Strangers::TurnAway)
            }
        };
        Ok((reply.status(), reply.into_body().0.into_owned()))
    }

    /// Keeps what was decided. The effects of this story are none that change another record.
    fn keep(&mut self, outcome: Outcome) -> enrollment::Reply {
        outcome.commands.into_iter().for_each(|change| self.keep_command(change.record));
        self.enrollment = Some(outcome.enrollment.record);
        outcome.reply
    }

    fn keep_command(&mut self, command: QueuedCommand) {
        match self.commands.iter_mut().find(|kept| kept.uuid() == command.uuid()) {
            Some(kept) => *kept = command,
            None => self.commands.push(command),
        }
    }

    /// Queues a command for the device.
    pub fn queue(&mut self, command: &Command) -> Result<()> {
        let enrollment = self.enrollment.as_ref().ok_or("the device is not enrolled")?;
        let order = u64::try_from(self.commands.len())?;
        let queued = enrollment.enqueue(command, Schedule::default(), order, self.now)?;
        self.keep_command(queued.record);
        Ok(())
    }

    /// The request to APNs that wakes the device; a real host sends it over HTTP/2.
    pub fn wake(&self) -> Result<http::Request<Vec<u8>>> {
        let enrollment = self.enrollment.as_ref().ok_or("the device is not enrolled")?;
        let binding = enrollment.binding().ok_or("the device has not said how it is woken")?;
        Ok(binding.wake(&self.push_certificate, self.now)?.request())
    }

    /// Renews the push certificate with one that came back from Apple for a new key. The core decides whether it may.
    pub fn renew_push_certificate(&mut self, topic: &str) -> Result<std::result::Result<(), push::Error>> {
        let key = self.provider.load(&self.provider.generate(KeyKind::Rsa(2048))?)?;
        let requested = PushCertificate::request(self.tenant.clone(), descent(), key.public_key().clone()).record;
        let certificate = apple::issue(topic, key.public_key(), &self.apple_key, self.now, &self.provider)?;
        // A real host counts in its database.
        let listening = u64::from(self.enrollment.as_ref().is_some_and(|enrollment| enrollment.binding().is_some()));
        let renewal = self.push_certificate.renew(&requested, &certificate, listening, TopicChange::Refuse, self.now);
        Ok(renewal.map(|renewal| self.push_certificate = renewal.successor.record))
    }

    /// Revokes a certificate, and with it the access of the device that holds it.
    pub fn revoke(&mut self, certificate: &Certificate) -> Result<()> {
        let record = self.certificates.iter().find(|record| record.certificate() == Some(certificate));
        let revoked =
            record.ok_or("the certificate is not on record")?.revoke(RevocationReason::KeyCompromise, None, self.now)?;
        self.keep_certificate(revoked.record);
        Ok(())
    }
}

/// What the push certificate hangs from: who must renew it, and who could lose it for the tenant.
fn descent() -> Descent {
    Descent {
        developer_account: "example developer account".into(),
        vendor_certificate: "example vendor certificate".into(),
        apple_account: "push@example.com".into(),
    }
}
