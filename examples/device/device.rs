//! What a device is, and what it says.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mdm_core::checkin::{Authenticate, CheckIn, TokenUpdate};
use mdm_core::cms::{SignedContent, SignedDataTemplate};
use mdm_core::command::{Command, ErrorChainItem, Report, ReportEnvelope, Status};
use mdm_core::crypto::{KeyKind, Provider, SigningKey as _, SoftwareKey};
use mdm_core::plist::{Dictionary, Value};
use mdm_core::scep::{Recipient, client};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::{Certificate, Csr, CsrTemplate, Name, Validity};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::files::Files;

/// What a device has, and keeps when it is switched off.
#[derive(Serialize, Deserialize)]
pub struct Record {
    /// Its UDID.
    pub udid: String,
    /// Its private key, PKCS#8; made when it is first needed.
    key: Option<Secret>,
    /// The certificate that it signs its messages with.
    pub identity: Option<Certificate>,
    /// A SCEP transaction that has not come to its end, and the self-signed certificate behind a first one.
    pub pending: Option<client::Enrollment>,
    /// Every certificate that it was given.
    pub certificates: Vec<Certificate>,
    /// Whether the server has taken its `Authenticate` and its `TokenUpdate`.
    pub checked_in: bool,
    push_token: Secret,
    /// Commands that the operator has queued and the server has confirmed.
    pub queued: BTreeSet<String>,
    /// Commands that it has carried out, and how that went.
    pub carried_out: BTreeMap<String, String>,
    /// Those whose answer the server has taken.
    pub answered: BTreeSet<String>,
}

impl Record {
    /// A device fresh out of its box.
    pub fn new(udid: String) -> Record {
        Record {
            udid,
            key: None,
            identity: None,
            pending: None,
            certificates: Vec::new(),
            checked_in: false,
            push_token: Secret::default(),
            queued: BTreeSet::new(),
            carried_out: BTreeMap::new(),
            answered: BTreeSet::new(),
        }
    }
}

/// A device that is switched on.
pub struct Device {
    /// What it has.
    pub record: Record,
    files: Option<Files>,
    key: Option<SoftwareKey>,
}

impl Device {
    /// A device with this record, kept in these files.
    pub fn known(record: Record, files: Option<Files>) -> Device {
        Device { record, files, key: None }
    }

    /// Writes down what it has.
    pub fn keep(&self) -> Result<()> {
        self.files.as_ref().map_or(Ok(()), |files| files.keep(&self.record))
    }

    /// Makes or loads its key, which never leaves it.
    pub fn switch_on(&mut self, provider: &Provider) -> Result<()> {
        if self.record.key.is_none() {
            let pkcs8 = provider.generate(KeyKind::Rsa(2048))?;
            if let Some(files) = &self.files {
                files.keep_key(&pkcs8)?;
            }
            self.record.key = Some(pkcs8);
            self.new_token(provider)?;
            self.keep()?;
        }
        if let Some(pkcs8) = &self.record.key {
            self.key = Some(provider.load(pkcs8)?);
        }
        Ok(())
    }

    /// APNs has given it another token.
    pub fn new_token(&mut self, provider: &Provider) -> Result<()> {
        self.record.push_token = Secret::new(provider.random_bytes::<32>()?.to_vec());
        Ok(())
    }

    fn key(&self) -> Result<&SoftwareKey> {
        Ok(self.key.as_ref().ok_or("the device is not switched on")?)
    }

    fn request(&self, challenge: Option<&str>, provider: &Provider) -> Result<Csr> {
        let key = self.key()?;
        let name = Name::builder().organization("Example Inc.").common_name(&self.record.udid).build()?;
        let mut template = CsrTemplate::new(name, key.public_key().clone());
        template.challenge = challenge.map(Secret::from);
        Ok(template.to_be_signed(key.algorithm(), provider)?.sign_with(key)?)
    }

    /// Begins to ask for an identity, unless it has begun before: what was begun is written down, so that the same transaction is
    /// asked for again, whoever is switched off in between.
    pub fn begin(&mut self, challenge: &str, now: Timestamp, provider: &Provider) -> Result<()> {
        if self.record.pending.is_some() {
            return Ok(());
        }
        self.record.pending = Some(match &self.record.identity {
            None => {
                let csr = self.request(Some(challenge), provider)?;
                let validity = Validity { not_before: now.plus_days(-1), not_after: now.plus_days(7) };
                let signer = client::Enrollment::self_signed(&csr, validity, provider)?.sign_with(self.key()?)?;
                client::Enrollment::first(csr, signer, provider)?
            }
            Some(identity) => client::Enrollment::renewal(self.request(None, provider)?, identity.clone(), provider)?,
        });
        self.keep()
    }

    /// The message of the transaction in its course.
    pub fn ask(&self, server: &client::Server, provider: &Provider) -> Result<(client::Sent, Vec<u8>)> {
        let pending = self.record.pending.as_ref().ok_or("no transaction was begun")?;
        let (sent, message) = pending.request(server, provider)?;
        Ok((sent, message.sign_with(self.key()?)?))
    }

    /// What the server has answered.
    pub fn open(&self, sent: &client::Sent, reply: &[u8], server: &client::Server, provider: &Provider) -> Result<Certificate> {
        let signer = self.record.pending.as_ref().ok_or("no transaction was begun")?.signer();
        match sent.receive(reply, server, provider)? {
            client::Outcome::Granted(granted) => {
                Ok(granted.open(&Recipient { certificate: signer, key: self.key()? })?.certificate)
            }
            client::Outcome::Denied { fail_info, text } => {
                Err(format!("denied: {fail_info:?} {}", text.unwrap_or_default()).into())
            }
            client::Outcome::Pending => Err("the server has not decided".into()),
        }
    }

    /// Takes an identity, and ends the transaction.
    pub fn take(&mut self, identity: Certificate) -> Result<()> {
        if let Some(files) = &self.files {
            files.keep_certificate(&identity)?;
        }
        self.record.pending = None;
        if !self.record.certificates.contains(&identity) {
            self.record.certificates.push(identity.clone());
        }
        self.record.identity = Some(identity);
        self.keep()
    }

    /// `Authenticate`
    pub fn authenticate(&self, topic: &str) -> Result<Vec<u8>> {
        let message = Authenticate {
            topic: Some(topic.into()),
            udid: Some(self.record.udid.clone()),
            device_name: Some(format!("Simulated iPhone {}", self.record.udid)),
            model_name: Some("iPhone".into()),
            os_version: Some("27.0".into()),
            ..Authenticate::default()
        };
        Ok(CheckIn::from(message).to_xml()?)
    }

    /// `TokenUpdate`
    pub fn token_update(&self, topic: &str) -> Result<Vec<u8>> {
        let message = TokenUpdate {
            topic: Some(topic.into()),
            udid: Some(self.record.udid.clone()),
            token: Some(self.record.push_token.clone()),
            push_magic: Some(format!("magic of {}", self.record.udid).into()),
            ..TokenUpdate::default()
        };
        Ok(CheckIn::from(message).to_xml()?)
    }

    /// `Idle`
    pub fn idle(&self) -> Result<Vec<u8>> {
        self.report(Status::IDLE, None, Dictionary::new(), Vec::new())
    }

    /// `NotNow`
    pub fn not_now(&self, command: &Command) -> Result<Vec<u8>> {
        self.report(Status::NOT_NOW, Some(command.uuid.as_str()), Dictionary::new(), Vec::new())
    }

    /// Carries a command out, once; the answer says how that went, however often it is asked for.
    pub fn carry_out(&mut self, command: &Command, fails: bool) -> Result<(&'static str, Vec<u8>)> {
        let uuid = command.uuid.as_str();
        if !self.record.carried_out.contains_key(uuid) {
            let outcome = if fails { Status::ERROR } else { Status::ACKNOWLEDGED };
            self.record.carried_out.insert(uuid.to_owned(), outcome.as_str().to_owned());
            self.note("carried-out", uuid)?;
        }
        let failed = self.record.carried_out.get(uuid).map(String::as_str) == Some(Status::ERROR.as_str());
        if failed {
            let error = ErrorChainItem {
                error_code: Some(12_021),
                error_domain: Some("MCMDMErrorDomain".into()),
                localized_description: Some("The simulation has let it fail.".into()),
                ..ErrorChainItem::default()
            };
            return Ok(("Error", self.report(Status::ERROR, Some(uuid), Dictionary::new(), vec![error])?));
        }
        let mut answer = Dictionary::new();
        if command.request.request_type() == "DeviceInformation" {
            let responses = [("DeviceName", "Simulated iPhone"), ("OSVersion", "27.0"), ("UDID", &self.record.udid)];
            answer.insert("QueryResponses", responses.into_iter().collect::<Dictionary>());
        } else if command.request.request_type() == "ProfileList" {
            answer.insert("ProfileList", Vec::<Value>::new());
        }
        Ok(("Acknowledged", self.report(Status::ACKNOWLEDGED, Some(uuid), answer, Vec::new())?))
    }

    fn report(&self, status: Status, uuid: Option<&str>, answer: Dictionary, chain: Vec<ErrorChainItem>) -> Result<Vec<u8>> {
        let envelope = ReportEnvelope {
            status: Some(status),
            command_uuid: uuid.map(str::to_owned),
            error_chain: (!chain.is_empty()).then_some(chain),
            udid: Some(self.record.udid.clone()),
            extra: answer,
            ..ReportEnvelope::default()
        };
        Ok(Report::from(envelope).to_xml()?)
    }

    /// The server has taken the answer to a command.
    pub fn was_heard(&mut self, uuid: &str) -> Result<()> {
        if self.record.answered.insert(uuid.to_owned()) {
            self.note("answered", uuid)?;
            self.keep()?;
        }
        Ok(())
    }

    /// The server has confirmed a command for this device.
    pub fn was_queued(&mut self, uuid: String) -> Result<()> {
        self.note("queued", &uuid)?;
        self.record.queued.insert(uuid);
        self.keep()
    }

    fn note(&self, list: &str, line: &str) -> Result<()> {
        self.files.as_ref().map_or(Ok(()), |files| files.note(list, line))
    }

    /// The `Mdm-Signature` header for a body.
    pub fn sign(&self, body: &[u8], now: Timestamp, provider: &Provider) -> Result<String> {
        let identity = self.record.identity.as_ref().ok_or("the device has no identity yet")?;
        let mut template = SignedDataTemplate::new(SignedContent::Detached(body));
        template.signing_time = Some(now);
        template.certificates.push(identity.as_der());
        Ok(STANDARD.encode(template.to_be_signed(identity, provider)?.sign_with(self.key()?)?))
    }
}
