//! A simulated iPhone: it makes its own key, asks for its identity over SCEP bytes, signs what it says, answers commands.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mdm_core::checkin::{Authenticate, CheckIn, TokenUpdate};
use mdm_core::cms::{SignedContent, SignedDataTemplate};
use mdm_core::command::{Command, DeviceInformation, Report};
use mdm_core::crypto::{KeyKind, Provider, SignatureAlgorithm, SigningKey as _, SoftwareKey};
use mdm_core::limits::Limits;
use mdm_core::plist::{self, Dictionary, Value};
use mdm_core::scep::{CaCertificates, Capabilities, Peer, Recipient, client};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::{Certificate, CertificateTemplate, Csr, CsrTemplate, Extensions, Name, SerialNumber, Validity};

use crate::{Fail, Result};

/// What the device is, and what it has.
pub struct Device {
    /// Its UDID.
    pub udid: &'static str,
    provider: Provider,
    key: SoftwareKey,
    identity: Option<Certificate>,
    /// What the next answers will be `NotNow`, as when a passcode is set and the screen is locked.
    pub locked: bool,
}

impl Device {
    /// A device fresh out of its box. Its key never leaves it.
    pub fn new(udid: &'static str, provider: Provider) -> Result<Device> {
        let key = provider.load(&provider.generate(KeyKind::Rsa(2048))?)?;
        Ok(Device { udid, provider, key, identity: None, locked: false })
    }

    /// The identity certificate it was given.
    pub fn identity(&self) -> Result<&Certificate> {
        self.identity.as_ref().ok_or(Fail::from("the device has no identity yet"))
    }

    /// Asks for an identity. `post` carries a SCEP message to the server and brings the answer back.
    pub fn enrol(
        &mut self,
        server: &client::Server,
        challenge: &str,
        now: Timestamp,
        post: impl FnOnce(Vec<u8>) -> Result<Vec<u8>>,
    ) -> Result<()> {
        let name = Name::builder().organization("Example Inc.").common_name(self.udid).build()?;
        let signer = self.self_signed(name.clone(), now)?;
        let csr = self.request(name, Some(challenge))?;
        let enrollment = client::Enrollment::first(csr, signer.clone(), &self.provider)?;
        self.obtain(&enrollment, &signer, server, post)
    }

    /// Asks for a new identity with the old one; no challenge is needed, the signature proves who asks.
    pub fn renew(&mut self, server: &client::Server, post: impl FnOnce(Vec<u8>) -> Result<Vec<u8>>) -> Result<()> {
        let current = self.identity()?.clone();
        let csr = self.request(current.subject().clone(), None)?;
        let enrollment = client::Enrollment::renewal(csr, current.clone(), &self.provider)?;
        self.obtain(&enrollment, &current, server, post)
    }

    fn obtain(
        &mut self,
        enrollment: &client::Enrollment,
        signer: &Certificate,
        server: &client::Server,
        post: impl FnOnce(Vec<u8>) -> Result<Vec<u8>>,
    ) -> Result<()> {
        let (sent, message) = enrollment.request(server, &self.provider)?;
        let reply = post(message.sign_with(&self.key)?)?;
        match sent.receive(&reply, server, &self.provider)? {
            client::Outcome::Granted(granted) => {
                let issued = granted.open(&Recipient { certificate: signer, key: &self.key })?;
                self.identity = Some(issued.certificate);
                Ok(())
            }
            client::Outcome::Denied { fail_info, text } => {
                Err(Fail::from(format!("the server denied the request: {fail_info:?} {}", text.unwrap_or_default())))
            }
            client::Outcome::Pending => Err(Fail::from("the server has not decided")),
        }
    }

    /// The certificate that signs a first request: nobody knows the device yet, so it vouches for itself.
    fn self_signed(&self, name: Name, now: Timestamp) -> Result<Certificate> {
        let template = CertificateTemplate {
            serial: SerialNumber::random(self.provider.random)?,
            issuer: name.clone(),
            subject: name,
            validity: Validity { not_before: now.plus_seconds(-60), not_after: now.plus_days(1) },
            public_key: self.key.public_key().clone(),
            extensions: Extensions::new(),
            authority_key_identifier: None,
        };
        let unsigned = template.to_be_signed(self.key.public_key(), SignatureAlgorithm::RsaSha256, &self.provider)?;
        Ok(unsigned.sign_with(&self.key)?)
    }

    fn request(&self, name: Name, challenge: Option<&str>) -> Result<Csr> {
        let mut template = CsrTemplate::new(name, self.key.public_key().clone());
        template.challenge = challenge.map(Secret::from);
        Ok(template.to_be_signed(SignatureAlgorithm::RsaSha256, &self.provider)?.sign_with(&self.key)?)
    }

    /// `Authenticate`: the device wants to be managed.
    pub fn authenticate(&self, topic: &str) -> Result<Vec<u8>> {
        let message = Authenticate {
            topic: Some(topic.into()),
            udid: Some(self.udid.into()),
            device_name: Some("Ann's iPhone".into()),
            model_name: Some("iPhone".into()),
            os_version: Some("27.0".into()),
            ..Authenticate::default()
        };
        Ok(CheckIn::from(message).to_xml()?)
    }

    /// `TokenUpdate`: how the device can be woken.
    pub fn token_update(&self, topic: &str) -> Result<Vec<u8>> {
        let message = TokenUpdate {
            topic: Some(topic.into()),
            udid: Some(self.udid.into()),
            token: Some(Secret::new(vec![0x5A; 32])),
            push_magic: Some(Secret::from("3F7E1C4A-0B6D-4C0E-9E0A-7B8D5C2F1A90")),
            ..TokenUpdate::default()
        };
        Ok(CheckIn::from(message).to_xml()?)
    }

    /// `Idle`: the device asks what there is to do.
    pub fn idle(&self) -> Result<Vec<u8>> {
        self.report("Idle", None, Dictionary::new())
    }

    /// Carries a command out and says so; or says `NotNow`.
    pub fn answer(&self, command: &[u8]) -> Result<Vec<u8>> {
        let command = Command::parse(command, &Limits::MESSAGE)?;
        let uuid = Some(command.uuid.as_str());
        let asks_about_itself = command.request.read::<DeviceInformation>().is_some();
        if self.locked && !asks_about_itself {
            return self.report("NotNow", uuid, Dictionary::new());
        }
        let mut answer = Dictionary::new();
        if asks_about_itself {
            let responses = [("DeviceName", "Ann's iPhone"), ("OSVersion", "27.0"), ("SerialNumber", "C39XK0AAN72K")];
            answer.insert("QueryResponses", responses.into_iter().collect::<Dictionary>());
        }
        self.report("Acknowledged", uuid, answer)
    }

    fn report(&self, status: &str, uuid: Option<&str>, mut answer: Dictionary) -> Result<Vec<u8>> {
        answer.insert("Status", status);
        answer.insert("UDID", self.udid);
        if let Some(uuid) = uuid {
            answer.insert("CommandUUID", uuid);
        }
        let body = plist::to_xml(&Value::Dictionary(answer))?;
        // What a device would send is what the crate reads.
        Report::parse(&body, &Limits::MESSAGE)?;
        Ok(body)
    }

    /// The `Mdm-Signature` header for a body: a detached signature by the identity's key.
    pub fn sign(&self, body: &[u8], now: Timestamp) -> Result<String> {
        let identity = self.identity()?;
        let mut template = SignedDataTemplate::new(SignedContent::Detached(body));
        template.signing_time = Some(now);
        template.certificates.push(identity.as_der());
        let signed = template.to_be_signed(identity, &self.provider)?.sign_with(&self.key)?;
        Ok(STANDARD.encode(signed))
    }
}

/// What a device learns of a SCEP server before it asks for anything: the certificates, which it believes because of the
/// fingerprint in its enrollment profile, and what the server can do.
pub fn learn(certificates: &[u8], capabilities: &[u8], fingerprint: &[u8], provider: &Provider) -> Result<client::Server> {
    let peer = Peer::default();
    let pinned = CaCertificates::parse(certificates, &Limits::PKI)?.pin(fingerprint, provider, &peer)?;
    Ok(client::Server::new(pinned, Capabilities::parse(capabilities), peer)?)
}
